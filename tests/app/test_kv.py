#!/usr/bin/env python3
"""Keys and values in every pair of storage types: the JIT against the
interpreter, which rounds at the same places, and against f32, which tells what
the rounding costs. Steps of three, so that rows of earlier steps are read back. A
value that lies on the border of two codes may fall to either side: hence not
1e-9."""
import ref

ref.need_demo()
MODEL = ref.model("q4_k")
ids = ref.refs("q4_k")["ids_3"][:8]
base = ref.evaluate(MODEL, ids, "--activations=f32", "--kv=f32", "--devices=interp")

COST = {"f32": 1e-9, "f16": 1e-7, "bf16": 2e-6, "q8_0": 2e-5, "q4_0": 3e-3}
for keys in COST:
    for values in COST:
        options = ("--activations=f32", f"--kv={keys},{values}", "--batch=3")
        got = ref.evaluate(MODEL, ids, *options)
        oracle = ref.evaluate(MODEL, ids, *options, "--devices=interp")
        name = f"keys {keys}, values {values}"
        ref.check(f"{name}, against the interpreter", ref.nmse(got, oracle), 1e-6)
        ref.check(f"{name}, against f32", ref.nmse(got, base), max(COST[keys], COST[values]))
ref.finish()
