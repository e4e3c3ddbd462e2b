#!/usr/bin/env python3
"""A new architecture needs a model text and nothing else: parallel.mdl on a
random file made here, against NumPy in double precision."""
import math
import os
import sys
import tempfile
import ref
np = ref.np
try:
    import gguf
except ImportError:
    print("skipped: needs gguf")
    sys.exit(ref.SKIP)

L, D, V, H, G, F, K, EVERY, EPS = 7, 64, 96, 4, 2, 160, 3, 3, 1e-5
d = D // H
rng = np.random.default_rng(7)
weights = {}


def make(name, *shape, scale=0.3, kind="F32"):
    """A tensor of the file; NumPy's shape is GGUF's, reversed."""
    x = (rng.standard_normal(shape) * scale).astype(np.float32)
    kind = gguf.GGMLQuantizationType[kind]
    raw = gguf.quants.quantize(x, kind)
    weights[name] = gguf.quants.dequantize(raw, kind).astype(np.float64)
    writer.add_tensor(name, raw, raw_dtype=kind)


def write(path):
    global writer
    writer = gguf.GGUFWriter(path, "parallel-test")
    for key, value in (("block_count", L), ("embedding_length", D), ("attention.head_count", H),
                       ("attention.head_count_kv", G), ("feed_forward_length", F),
                       ("conv_interval", EVERY), ("context_length", 256)):
        writer.add_uint32(f"parallel-test.{key}", value)
    writer.add_float32("parallel-test.attention.layer_norm_rms_epsilon", EPS)
    make("token_embd.weight", V, D, scale=1, kind="F16")
    make("output_norm.weight", D)
    make("output.weight", V, D, kind="Q8_0")
    for i in range(L):
        b = f"blk.{i}."
        make(b + "norm.weight", D, scale=1)
        make(b + "ffn_up.weight", F, D, kind="Q8_0" if i % 2 else "BF16")
        make(b + "ffn_up.bias", F)
        make(b + "ffn_down.weight", D, F, kind="Q4_0")
        if i % EVERY == EVERY - 1:
            make(b + "conv.weight", D, K)
            continue
        make(b + "attn_q.weight", H * d, D, kind="Q8_0")
        make(b + "attn_q.bias", H * d)
        make(b + "attn_k.weight", G * d, D)
        make(b + "attn_v.weight", G * d, D, kind="F16")
        make(b + "attn_out.weight", D, H * d, kind="Q5_0")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def norm(x, w):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * w


def turn(x):
    angle = np.arange(len(x))[:, None, None] * 10000.0 ** (-np.arange(0, d, 2) / d)
    y = np.empty_like(x)
    y[..., 0::2] = x[..., 0::2] * np.cos(angle) - x[..., 1::2] * np.sin(angle)
    y[..., 1::2] = x[..., 1::2] * np.cos(angle) + x[..., 0::2] * np.sin(angle)
    return y


def attend(b, h):
    w = weights
    n = len(h)
    q = turn((h @ w[b + "attn_q.weight"].T + w[b + "attn_q.bias"]).reshape(n, H, d))
    k = turn((h @ w[b + "attn_k.weight"].T).reshape(n, G, d)).repeat(H // G, 1)
    v = (h @ w[b + "attn_v.weight"].T).reshape(n, G, d).repeat(H // G, 1)
    s = np.einsum("thd,chd->htc", q, k) / math.sqrt(d)
    s = np.where(np.tri(n, dtype=bool), s, -np.inf)
    p = np.exp(s - s.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    return np.einsum("htc,chd->thd", p, v).reshape(n, H * d) @ w[b + "attn_out.weight"].T


def convolve(b, h):
    padded = np.vstack([np.zeros((K - 1, D)), h])
    return np.tanh(sum(padded[j:j + len(h)] * weights[b + "conv.weight"][:, j] for j in range(K)))


def expected(ids):
    w = weights
    erf = np.vectorize(math.erf)
    x = w["token_embd.weight"][ids]
    for i in range(L):
        b = f"blk.{i}."
        h = norm(x, w[b + "norm.weight"])
        mix = convolve(b, h) if i % EVERY == EVERY - 1 else attend(b, h)
        up = h @ w[b + "ffn_up.weight"].T + w[b + "ffn_up.bias"]
        x = x + mix + (up * (1 + erf(up / math.sqrt(2))) / 2) @ w[b + "ffn_down.weight"].T
    return norm(x, w["output_norm.weight"]) @ w["output.weight"].T


ref.VOCAB = V
with tempfile.TemporaryDirectory() as tmp:
    path = os.path.join(tmp, "parallel.gguf")
    write(path)
    ids = rng.integers(0, V, 50)
    want = expected(ids)
    options = ("--mdl=tests/app/parallel.mdl", "--activations=f32", "--kv=f32")
    ref.check("interpreter", ref.nmse(ref.evaluate(path, ids, *options, "--devices=interp"), want), 1e-9)
    for batch in (1, 7, 50):
        ref.check(f"jit, steps of {batch}",
                  ref.nmse(ref.evaluate(path, ids, *options, f"--batch={batch}"), want), 1e-9)
    ref.check("jit over three devices",
              ref.nmse(ref.evaluate(path, ids, *options, "--devices=host*3"), want), 1e-9)
ref.finish()
