#!/usr/bin/env python3
"""Types that no demo file has, in a whole model: NVFP4 with factors beside the
matrices (X.scale, one or one for each expert), Q1_0 and Q2_0, dense, experts,
table and head, on random blocks; interpreter and JIT against NumPy, which decodes
the blocks by the format's formulas."""
import os
import tempfile
import gguf_file
import ref
np = ref.np

MODEL = os.path.join(os.path.dirname(__file__), "small_types.mdl")
D, F, V, E, K = 256, 128, 80, 5, 2
rng = np.random.default_rng(3)
tensors, weights = {}, {}


def half(n, scale):
    return (scale * rng.uniform(0.5, 1.5, (n, 1))).astype("<f2")


def random_bytes(n, size):
    return rng.integers(0, 256, (n, size), dtype=np.uint8)


def q1_0(n):
    d, bits = half(n, 0.1), random_bytes(n, 16)
    sign = (bits[:, np.arange(128) // 8] >> np.arange(128) % 8 & 1) * 2.0 - 1
    return np.hstack([d.view("u1"), bits]), d.astype(float) * sign


def q2_0(n):
    d, codes = half(n, 0.08), random_bytes(n, 16)
    code = (codes[:, np.arange(64) // 4] >> np.arange(64) % 4 * 2 & 3) - 1.0
    return np.hstack([d.view("u1"), codes]), d.astype(float) * code


def nvfp4(n):
    """Scales from 2^-7 to 2^-4 / 2, in the unsigned 8-bit format with 3 bits of
    mantissa; codes are doubled 4-bit floats."""
    scales, codes = rng.integers(0, 32, (n, 4), dtype=np.uint8), random_bytes(n, 32)
    exponent, mantissa = (scales >> 3).astype(float), (scales & 7) / 8
    u = np.where(exponent == 0, mantissa * 2.0 ** -6, (1 + mantissa) * 2.0 ** (exponent - 7)) / 2
    values = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], float)
    i = np.arange(64)
    nibble = codes[:, 8 * (i // 16) + i % 8] >> 4 * (i % 16 // 8) & 15
    return np.hstack([scales, codes]), u[:, i // 16] * values[nibble]


KINDS = {"nvfp4": (40, 64, nvfp4), "q1_0": (41, 128, q1_0), "q2_0": (42, 64, q2_0)}


def make(name, kind, *extents, scaled=False):
    """A matrix, or several, [in, out (, experts)]; `weights` holds [(experts,) out,
    in], the factors multiplied in."""
    number, block, decode = KINDS[kind]
    raw, y = decode(int(np.prod(extents)) // block)
    y = y.reshape(extents[::-1])
    tensors[name + ".weight"] = number, extents, raw.tobytes()
    if scaled:
        factors = rng.uniform(0.5, 2, extents[2] if len(extents) == 3 else 1).astype("<f4")
        tensors[name + ".scale"] = 0, factors.shape, factors.tobytes()
        y = y * factors.astype(float)[:, None, None] if len(extents) == 3 else y * float(factors[0])
    weights[name] = y


def make_float(name, *extents):
    x = (rng.standard_normal(extents[::-1]) * 0.3).astype("<f4")
    tensors[name + ".weight"] = 0, extents, x.tobytes()
    weights[name] = x.astype(float)


def write(path, n_layers):
    sizes = {"block_count": n_layers, "embedding_length": D, "feed_forward_length": F,
             "expert_count": E, "expert_used_count": K}
    gguf_file.write(path, {"general.architecture": "small-types",
                           **{f"small-types.{key}": n for key, n in sizes.items()}}, tensors)


def make_model():
    layers = [("nvfp4", True), ("q1_0", False), ("nvfp4", False), ("q2_0", False), ("nvfp4", True),
              ("q2_0", True)]
    make("token_embd", "nvfp4", D, V, scaled=True)
    make("output", "q2_0", D, V)
    for i, (kind, scaled) in enumerate(layers):
        b = f"blk.{i}."
        make_float(b + "router", D, E)
        make(b + "gate_exps", kind, D, F, E, scaled=scaled)
        make(b + "up_exps", kind, D, F, E)
        make(b + "down_exps", kind, F, D, E, scaled=scaled)
        make(b + "up", kind, D, F, scaled=scaled)
        make(b + "down", kind, F, D, scaled=scaled)
    return len(layers)


def norm(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def silu(x):
    return x / (1 + np.exp(-x))


def experts(b, h):
    p = np.exp(h @ weights[b + "router"].T)
    p /= p.sum(-1, keepdims=True)
    y = np.zeros_like(h)
    for t, row in enumerate(h):
        for e in np.argsort(-p[t])[:K]:
            gate, up, down = (weights[b + n][e] for n in ("gate_exps", "up_exps", "down_exps"))
            y[t] += p[t, e] * (down @ (silu(gate @ row) * (up @ row)))
    return y


def expected(ids, n_layers):
    x = weights["token_embd"][ids]
    for i in range(n_layers):
        b = f"blk.{i}."
        h = norm(x)
        x = x + experts(b, h) + silu(h @ weights[b + "up"].T) @ weights[b + "down"].T
    return norm(x) @ weights["output"].T


ref.VOCAB = V
with tempfile.TemporaryDirectory() as tmp:
    path = os.path.join(tmp, "types.gguf")
    n_layers = make_model()
    write(path, n_layers)
    ids = rng.integers(0, V, 40)
    want = expected(ids, n_layers)
    for engine in (["--devices=interp"], [], ["--batch=1"], ["--fuse=none"], ["--cpu=x86-64-v2"]):
        name = " ".join(engine) or "jit"
        for activations, limit in (("f32", 1e-9), ("int16", 1e-7), ("int8", 1e-3)):
            got = ref.evaluate(path, ids, f"--mdl={MODEL}", f"--activations={activations}", *engine)
            ref.check(f"{name}, {activations}", ref.nmse(got, want), limit)
    tensors["blk.0.down_exps.scale"] = 0, (E - 1,), bytes(4 * (E - 1))
    write(path, n_layers)
    ref.refused("must hold 5 numbers", "plan", path, f"--mdl={MODEL}")
ref.finish()
