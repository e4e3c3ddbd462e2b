#!/usr/bin/env python3
"""make_smollm2.py PEER_LOGITS LLAMA_QUANTIZE "VERSION OF LLAMA.CPP" - writes
smollm2.json: the tokens that llama.cpp continues three prompts with, 64 each,
always the likeliest, and how far ahead of the second each was (nats).
tests/app/test_smollm2.py reads it. PEER_LOGITS is made of peer_logits.c.

On the Q4_1 file llama.cpp rounds activations to int8, which by itself turns
several of 192 tokens. So the reference is the same file with its weights
decoded to F32; how many of its tokens llama.cpp's own Q4_1 turns is kept."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import numpy as np
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "app"))
import smollm2  # noqa: E402

MORE = 64
PROMPTS = [
    "<|im_start|>user\nWhy is the sky blue, and why are sunsets red? Answer in a few sentences."
    "<|im_end|>\n<|im_start|>assistant\n",
    "The lighthouse keeper had not spoken to anybody for 17 days. On the morning of the 18th, "
    "a small boat came round the rocks, and in it sat",
    "<|im_start|>user\nWrite a Python function that returns the n-th Fibonacci number.<|im_end|>\n"
    "<|im_start|>assistant\n",
]


def run(program, model, ids, more):
    """All ids, and the logits of the positions that chose the last MORE."""
    with open(TMP + "/ids", "w") as f:
        f.write(" ".join(map(str, ids)))
    done = subprocess.run([program, model, TMP + "/ids", TMP + "/logits", str(more)],
                          check=True, capture_output=True, text=True)
    every = [int(x) for x in done.stdout.split()]
    logits = np.fromfile(TMP + "/logits", "<f4").reshape(len(every), -1)
    return every, logits[-MORE - 1:-1]


def main(program, quantize, version):
    model, exact = smollm2.find(), TMP + "/f32.gguf"
    hf = smollm2.tokenizer(model)
    subprocess.run([quantize, "--allow-requantize", model, exact, "F32"], check=True, capture_output=True)
    out, turned = [], []
    for text in PROMPTS:
        ids = hf.encode(text).ids
        every, logits = run(program, exact, ids, MORE)
        top = np.sort(logits, -1)[:, -2:].astype(float)
        gap = [round(float(b - a), 4) for a, b in top]
        out.append({"text": text, "ids": ids, "greedy": every[len(ids):], "gap": gap})
        own = run(program, model, every, 0)[1].argmax(-1)
        turned += [g for g, a, b in zip(gap, own, every[len(ids):]) if a != b]
        print(repr(hf.decode(every)))
    print(f"llama.cpp on the file itself: {len(turned)} of {MORE * len(out)} differ, widest gap {max(turned)}")
    with open(model, "rb") as f:
        sha256 = hashlib.sha256(f.read()).hexdigest()
    lines = ",\n  ".join(json.dumps(p, ensure_ascii=False) for p in out)
    with open(os.path.join(HERE, "smollm2.json"), "w") as f:
        f.write('{"made": ' + json.dumps("by make_smollm2.py with llama.cpp " + version) +
                ',\n "sha256": "' + sha256 + f'",\n "turned_by_its_int8": {len(turned)}' +
                ',\n "prompts": [\n  ' + lines + "]}\n")


with tempfile.TemporaryDirectory() as TMP:
    main(*sys.argv[1:])
