#!/usr/bin/env python3
"""Quantised files against exact arithmetic on their decoded weights: float
activations are equal but for rounding; int8 activations may change the
likeliest token only where the two best are near a tie."""
import numpy as np
import ref

ref.need_demo()
NEAR_TIE = 0.125  # nats


def check_file(variant, *options):
    stored = ref.refs(variant)
    divergence, turned, positions = [], [], 0
    for k in (2, 3, 6, 7):
        ids = stored[f"ids_{k}"]
        exact = ref.evaluate(ref.model(variant), ids, "--activations=f32", "--kv=f32", *options)
        name = f"{variant} prompt {k}"
        ref.check(f"{name} last logits", ref.nmse(exact[-4:], stored[f"logits_last4_{k}"]), 1e-9)
        ref.equal(f"{name} likeliest token", exact.argmax(-1), stored[f"argmax_{k}"])
        ref.check(f"{name} likelihood (nats)",
                  np.abs(ref.nll(exact, ids) - stored[f"nll_{k}"]).max(), 5e-4)
        rounded = ref.evaluate(ref.model(variant), ids, "--activations=int8", *options)
        divergence.append(ref.kl(exact, rounded))
        turned.append(ref.flips(exact, rounded))
        positions += len(ids)
    turned = np.concatenate(turned)
    ref.check(f"{variant} int8: widest gap that was turned over (nats)",
              turned.max() if len(turned) else 0, NEAR_TIE)
    print(f"     {variant} int8: mean KL {np.concatenate(divergence).mean():.3g} nats, "
          f"{len(turned)} of {positions} likeliest tokens differ")


for variant in ("q8_0", "q4_k"):
    check_file(variant)
ref.finish()
