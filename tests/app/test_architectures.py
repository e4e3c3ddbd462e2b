#!/usr/bin/env python3
"""Every architecture on small random files (random_models.py) against stored
logits of llama.cpp in float32 (tests/peer/make_random.py): in one step, token
by token, in pieces over three devices, and in the interpreter. Both sides sum
in float32, which leaves up to 3e-12; the double-precision interpreter is as
far from llama.cpp. A wrong head order, pairing, norm, gate, bias or router
gives 1e-2 and more, a wrong epsilon 1e-7."""
import os
import sys
import tempfile
import ref
import random_models
np = ref.np

LIMIT = 1e-10
ref.VOCAB = random_models.V
stored = np.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peer", "random.npz"))
print("reference:", stored["made"])
exact = ("--activations=f32", "--kv=f32")
with tempfile.TemporaryDirectory() as tmp:
    for name in random_models.MODELS:
        path = os.path.join(tmp, name + ".gguf")
        random_models.write(path, name)
        want = stored[name]
        for options in ((), ("--batch=1",), ("--batch=7", "--devices=host*3"), ("--devices=interp",)):
            got = ref.evaluate(path, random_models.IDS, *exact, *options, positions=f"last:{len(want)}")
            ref.check(f"{name} {' '.join(options)}", ref.nmse(got, want), LIMIT)
    # The prediction block: the text that Qwen3.5's is checked with (test_reference.py).
    path = os.path.join(tmp, "qwen3next.gguf")
    jit, interp = (ref.evaluate(path, random_models.IDS, *exact, "--entry=draft", *options)
                   for options in ((), ("--devices=interp",)))
    ref.check("qwen3next, draft against the interpreter", ref.nmse(jit, interp), LIMIT)
ref.finish()
