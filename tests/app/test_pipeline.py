#!/usr/bin/env python3
"""Chunks of a prompt in flight on several devices at once: the same bits as on
one device, whatever the length of a chunk, the number of devices and threads, and
how ragged the layers lie; and what the sequence says afterwards."""
import json
import os
import numpy as np
import ref

MODEL = os.path.join(os.path.dirname(__file__), "..", "..", "models", "demo", "demo-q4_k.gguf")
EXACT = ("--activations=f32", "--kv=f32", "--context=2600")
random = np.random.default_rng(1)
ids = random.integers(0, ref.VOCAB, 333)
long = random.integers(0, ref.VOCAB, 2101)

for i, batch in enumerate((1, 7, 63, 64, 65, 200)):
    cut = f"--batch={batch}"
    base = ref.evaluate(MODEL, ids, *EXACT, cut)
    for n in (2 + i % 2, 4 + i % 3):
        got = ref.evaluate(MODEL, ids, *EXACT, cut, f"--devices=host*{n}", f"--threads={2 + i % 3}")
        ref.equal(f"chunks of {batch}, {n} devices", got, base)
    got = ref.evaluate(MODEL, ids, *EXACT, cut, "--devices=host*6", "--place=1,3,0,2,2", "--threads=4", "--poison")
    ref.equal(f"chunks of {batch}, ragged, poisoned", got, base)
    got = ref.evaluate(MODEL, ids, *EXACT, cut, "--devices=host*3", "--pipeline=off")
    ref.equal(f"chunks of {batch}, no pipeline", got, base)

base = ref.evaluate(MODEL, long, *EXACT, "--batch=512", positions="last:600")
for n in (2, 6):
    got = ref.evaluate(MODEL, long, *EXACT, "--batch=512", f"--devices=host*{n}", "--threads=3", positions="last:600")
    ref.equal(f"{len(long)} tokens in chunks of 512, {n} devices", got, base)

base = ref.evaluate(MODEL, ids, *EXACT, "--batch=64")
for caps in ("host*2@40MiB,host*4@16MiB", "host@20MiB,host*2@40MiB,host"):
    got = ref.evaluate(MODEL, ids, *EXACT, "--batch=64", f"--devices={caps}", "--threads=3")
    ref.equal(f"memory limits {caps}", got, base)

draft = ref.evaluate(MODEL, ids, *EXACT, "--batch=50", "--entry=draft")
got = ref.evaluate(MODEL, ids, *EXACT, "--batch=50", "--entry=draft", "--devices=host*4", "--threads=2")
ref.equal("the other entry point", got, draft)


def continuation(*options):
    prompt = "One day, a small dog went to the river with a red ball. " * 12
    said = ref.sextet("run", MODEL, prompt, "--raw", "--json", "--temperature=0", "--max-tokens=48", *options)
    return json.loads(said)["text"]


base = continuation("--batch=32")
for n in (2, 5):
    ref.equal(f"48 tokens after a prompt, {n} devices",
              continuation("--batch=32", f"--devices=host*{n}", "--threads=3"), base)
ref.finish()
