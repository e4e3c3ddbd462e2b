#!/usr/bin/env python3
"""Texts whose tokens are chosen on a card (the fake one) against those chosen on the
host from the same card's logits: settings, seeds, several devices, ends of a text."""
import json
import os
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(sys.argv[1])
FAKES = os.path.join(BUILD, "fakecuda")
MODEL = "models/demo/demo-q4_k.gguf"
if not os.path.exists(os.path.join(FAKES, "libcuda.so.1")):
    print("skipped: built without a C++ compiler")
    sys.exit(77)
tmp = tempfile.TemporaryDirectory()
failures = 0
os.environ.setdefault("LSAN_OPTIONS", "use_tls=0:print_suppressions=0")


def run(*options, report=None, **environment):
    if report:
        environment["FAKE_CUDA_REPORT"] = report
    done = subprocess.run([os.path.join(BUILD, "sextet"), "run", MODEL, "Once upon", "--json",
                           "--cache-dir=" + os.path.join(tmp.name, "cache"), *options],
                          capture_output=True, text=True,
                          env=dict(os.environ, LD_LIBRARY_PATH=FAKES, **environment))
    if done.returncode:
        return done.stderr
    said = json.loads(done.stdout)
    return said["text"], said["stop"], said["generated_tokens"]


def expect(what, got, want):
    global failures
    good = got == want and got and isinstance(got, tuple)
    print(f"{'ok  ' if good else 'FAIL'} {what}{'' if good else f': {got}, not {want}'}")
    failures += not good


def calls(report):
    """How often each function of the driver was called."""
    with open(report) as f:
        lines = [line.split() for line in f]
    return {line[0]: int(line[1]) for line in lines if line[0] != "left"}


SETTINGS = (
    ("--seed=1",),
    ("--seed=2", "--temperature=0", "--repeat-penalty=1.3"),
    ("--seed=3", "--temperature=1.5", "--top-k=0", "--top-p=1"),
    ("--seed=4", "--temperature=1", "--top-k=0", "--top-p=0.9", "--min-p=0.01",
     "--presence-penalty=1.5", "--frequency-penalty=0.5", "--logit-bias=262=-100",
     "--logit-bias=290=3"),
)
for options in SETTINGS:
    want = run("--devices=cuda", "--max-tokens=8", "--sampler=host", *options)
    for how, environment in (
        (("--devices=cuda",), {"FAKE_CUDA_ASYNC": "1"}),
        (("--devices=cuda", "--poison", "--graphs=off"), {"FAKE_CUDA_SEED": "5"}),
        (("--devices=cuda:0,cuda:1",), {"FAKE_CUDA_DEVICES": "2", "FAKE_CUDA_ASYNC": "1"}),
    ):
        got = run("--max-tokens=8", *how, *options, **environment)
        expect(" ".join(how + options), got, want)

# What ends a text: the context, and a token (every one that is not banned).
want = run("--devices=cuda", "--context=9", "--sampler=host", "--max-tokens=0")
expect("context", run("--devices=cuda", "--context=9", "--max-tokens=0"), want)
failures += want[1] != "context"
ends = ("--logit-bias=8159=30", "--seed=5", "--temperature=2")
want = run("--devices=cuda", "--sampler=host", "--max-tokens=9", *ends)
expect("end", run("--devices=cuda", "--max-tokens=9", *ends), want)
failures += want[1] != "end"

# Once it is recorded a token costs one launch of a graph and no copy.
few, many = (os.path.join(tmp.name, name) for name in ("few", "many"))
run("--devices=cuda", "--max-tokens=6", report=few)
run("--devices=cuda", "--max-tokens=9", report=many)
few, many = calls(few), calls(many)
more = {name: n - few.get(name, 0) for name, n in many.items() if n > few.get(name, 0)}
print(more)
expect("calls of three tokens", tuple(more.get(name, 0) for name in (
    "cuGraphLaunch", "cuLaunchKernelEx", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2",
    "cuStreamSynchronize")), (3, 0, 0, 0, 0))
sys.exit(failures > 0)
