#!/usr/bin/env python3
"""The demo model against Hugging Face transformers in float32, by the host
JIT and by the interpreter: logits, hidden states of every layer, the
likeliest token and the likelihood at every position, the draft entry."""
import numpy as np
import ref

ref.need_demo()
EXACT = ("--activations=f32", "--kv=f32")
stored = ref.refs("bf16")


def check_prompt(k, engine, *options):
    ids = stored[f"ids_{k}"]
    logits, hidden = ref.evaluate(ref.model("bf16"), ids, *EXACT, *options, hidden=True)
    name = f"{engine} prompt {k} ({len(ids)} tokens)"
    ref.check(f"{name} last logits", ref.nmse(logits[-1], stored[f"logits_last_{k}"]), 1e-9)
    ref.equal(f"{name} likeliest token", logits.argmax(-1), stored[f"argmax_{k}"])
    worst = np.abs(ref.nll(logits, ids) - stored[f"nll_{k}"]).max()
    ref.check(f"{name} likelihood (nats)", worst, 2e-4)
    at = stored[f"pos_{k}"]
    worst = max(ref.nmse(hidden[i][at], stored[f"hidden_{k}"][i]) for i in range(ref.LAYERS))
    ref.check(f"{name} hidden states", worst, 1e-9)
    if k == 2:
        ref.check(f"{name} all logits", ref.nmse(logits, stored["logits_all_2"]), 1e-9)


def check_draft(k, engine, *options):
    ids = stored[f"ids_{k}"]
    logits, hidden = ref.evaluate(ref.model("bf16"), ids, "--entry=draft", *EXACT, *options, hidden=True)
    name = f"{engine} draft {k}"
    ref.check(f"{name} last logits", ref.nmse(logits[-1], stored[f"mtp_logits_last_{k}"]), 1e-9)
    ref.equal(f"{name} likeliest token", logits.argmax(-1), stored[f"mtp_argmax_{k}"])
    at = stored[f"pos_{k}"]
    ref.check(f"{name} hidden states", ref.nmse(hidden[0][at], stored[f"mtp_hidden_{k}"]), 1e-9)


for k in range(8):
    check_prompt(k, "jit")
    check_draft(k, "jit")
    check_prompt(k, "interpreter", "--devices=interp")
for k in range(6):
    check_draft(k, "interpreter", "--devices=interp")
ref.finish()
