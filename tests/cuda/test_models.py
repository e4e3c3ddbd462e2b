#!/usr/bin/env python3
"""Whole models on the fake driver: what `sextet eval` says with --devices=cuda
against the interpreter, with streams as threads, parts of a card, and other
orders of threads and blocks."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "app"))
import ref
import random_models

FAKES = os.path.join(ref.BUILD, "fakecuda")
if not os.path.exists(os.path.join(FAKES, "libcuda.so.1")):
    print("skipped: built without a C++ compiler")
    sys.exit(ref.SKIP)

LIMIT = 1e-10
MODELS = ("llama_variants", "qwen3moe", "qwen35moe")
# The second finds the units compiled by the first.
RUNS = (
    ({}, ()),
    ({"FAKE_CUDA_SEED": "7", "FAKE_CUDA_ASYNC": "1"}, ("--batch=7", "--devices=cuda:0*2")),
    ({"FAKE_CUDA_SEED": "8", "FAKE_CUDA_DEVICES": "2"}, ("--batch=1", "--graphs=on")),
)
# Presets and lengths of steps that the runs above leave out, each at least once: 66 tokens in steps of one,
# in one step, and in two of which the second is short.
FUSED = (("--fuse=none", "--batch=1"), ("--fuse=block", "--batch=63"), ("--fuse=epilogue", "--batch=64"),
         ("--fuse=none", "--batch=65"), ("--fuse=block", "--batch=512"))
SHORT = random_models.IDS[:66]
# The delta rule in chunks has operands of 16 bits.
CHUNKED = ("--set=delta=chunked", "--fuse=layer", "--batch=64")
CHUNKED_LIMIT = 1e-5
exact = ("--activations=f32", "--kv=f32", "--set=delta=recurrent", "--devices=cuda")
os.environ["LD_LIBRARY_PATH"] = FAKES
ref.VOCAB = random_models.V


def left(report):
    """What the run did not give back to driver and compiler."""
    with open(report) as f:
        lines = [line.split() for line in f]
    return [line for line in lines if line[0] == "left" and line[2] != "0"]


def check(path, name, environment, options, want, ids=random_models.IDS, limit=LIMIT):
    report = os.path.join(os.path.dirname(path), "report")
    os.environ.update(environment, FAKE_CUDA_REPORT=report)
    got = ref.evaluate(path, ids, *exact, *options)
    ref.check(f"{name} {' '.join(options)}", ref.nmse(got, want), limit)
    if left(report):
        ref.failures.append(name)
        print("FAIL left behind:", left(report))
    os.remove(report)
    for key in environment:
        del os.environ[key]


with tempfile.TemporaryDirectory() as tmp:
    for name in MODELS:
        path = os.path.join(tmp, name + ".gguf")
        random_models.write(path, name)
        want = ref.evaluate(path, random_models.IDS, *exact, "--devices=interp")
        for environment, options in RUNS:
            check(path, name, environment, options, want)
    want = ref.evaluate(path, SHORT, *exact, "--devices=interp")
    for options in FUSED:
        check(path, name, {}, options, want, SHORT)
    check(path, name, {}, CHUNKED, want, SHORT, CHUNKED_LIMIT)
ref.finish()
