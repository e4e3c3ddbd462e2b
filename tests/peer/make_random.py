#!/usr/bin/env python3
"""make_random.py PEER_LOGITS "VERSION OF LLAMA.CPP" - writes random.npz: what
llama.cpp makes of the files of tests/app/random_models.py, as float32 logits of
the last KEPT positions. tests/app/test_architectures.py reads it. PEER_LOGITS
is the program made of peer_logits.c."""
import os
import subprocess
import sys
import tempfile
import numpy as np
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "app"))
import random_models  # noqa: E402

KEPT = 16


def main(program, version):
    kept = {}
    with open(TMP + "/ids", "w") as f:
        f.write(" ".join(map(str, random_models.IDS)))
    for name in random_models.MODELS:
        random_models.write(TMP + "/m.gguf", name)
        subprocess.run([program, TMP + "/m.gguf", TMP + "/ids", TMP + "/logits"],
                       check=True, stdout=subprocess.DEVNULL)
        logits = np.fromfile(TMP + "/logits", "<f4").reshape(len(random_models.IDS), -1)
        kept[name] = logits[-KEPT:]
        print(f"{name}: logits of {kept[name].std():.2f}")
    np.savez_compressed(os.path.join(HERE, "random.npz"), made=np.array("llama.cpp " + version), **kept)


with tempfile.TemporaryDirectory() as TMP:
    main(*sys.argv[1:])
