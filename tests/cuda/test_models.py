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
# The delta rule in chunks has operands of 16 bits.
exact = ("--activations=f32", "--kv=f32", "--set=delta=recurrent", "--devices=cuda")
os.environ["LD_LIBRARY_PATH"] = FAKES
ref.VOCAB = random_models.V


def left(report):
    """What the run did not give back to driver and compiler."""
    with open(report) as f:
        lines = [line.split() for line in f]
    return [line for line in lines if line[0] == "left" and line[2] != "0"]


def check(path, name, environment, options, want):
    report = os.path.join(os.path.dirname(path), "report")
    os.environ.update(environment, FAKE_CUDA_REPORT=report)
    got = ref.evaluate(path, random_models.IDS, *exact, *options)
    ref.check(f"{name} {' '.join(options)}", ref.nmse(got, want), LIMIT)
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
ref.finish()
