#!/usr/bin/env python3
"""What may not change the result: how the prompt is cut into steps, over how
many devices the layers lie, what was fused, which form of the delta rule."""
import numpy as np
import ref

ref.need_demo()
MODEL = ref.model("bf16")
stored = ref.refs("bf16")
EXACT = ("--activations=f32", "--kv=f32")
ids = stored["ids_6"]
short = stored["ids_3"]
base = ref.evaluate(MODEL, ids, *EXACT)

for batch in (1, 7, 63, 64, 65, 512):
    got = ref.evaluate(MODEL, ids, *EXACT, f"--batch={batch}")
    ref.check(f"steps of {batch}", ref.nmse(got, base), 1e-8)

for form in ("recurrent", "chunked"):
    got = ref.evaluate(MODEL, ids, *EXACT, f"--set=delta={form}")
    ref.check(f"delta rule {form}", ref.nmse(got, base), 1e-8)

for n in range(1, 7):
    got = ref.evaluate(MODEL, ids, *EXACT, f"--devices=host*{n}")
    ref.equal(f"{n} devices, logits", got, base)
got = ref.evaluate(MODEL, ids, *EXACT, "--devices=host*4", "--place=1,4,0,3")
ref.equal("ragged placement, logits", got, base)

for preset in ("none", "epilogue", "block"):
    got = ref.evaluate(MODEL, ids, *EXACT, f"--fuse={preset}")
    ref.check(f"fusion {preset}", ref.nmse(got, base), 1e-8)
RULES = ("matmul_siblings", "experts_siblings", "matmul_epilogue", "experts_epilogue",
         "attention_epilogue", "conv_epilogue", "delta_norm", "row_chain", "row_siblings")
short_base = ref.evaluate(MODEL, short, *EXACT)
for rule in RULES:
    got = ref.evaluate(MODEL, short, *EXACT, f"--set={rule}=off")
    ref.check(f"without {rule}", ref.nmse(got, short_base), 1e-8)
    got = ref.evaluate(MODEL, short, *EXACT, "--fuse=none", f"--set={rule}=on")
    ref.check(f"{rule} alone", ref.nmse(got, short_base), 1e-8)

for cpu in ("x86-64-v3", "x86-64-v2"):
    got = ref.evaluate(MODEL, short, *EXACT, f"--cpu={cpu}")
    ref.check(f"code for {cpu}", ref.nmse(got, short_base), 1e-8)
got = ref.evaluate(MODEL, ids, *EXACT, "--threads=1")
ref.equal("one thread, logits", got, base)
ref.finish()
