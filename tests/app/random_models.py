"""random_models.py - small files of every architecture with random weights, the
same bytes on every machine: each tensor's values come from SHAKE-128 of its
name. MODELS[name]() gives (meta, tensors) for write().

Every part that architectures differ in is in one of them: grouped heads whose
H*d is not D, one matrix or three for query, key and value, biases, factors and
scaling of positions, own and tied heads, experts, both layouts of qwen3next,
two value heads a key head in every DeltaNet."""
import functools
import hashlib
import numpy as np
import gguf_file

D, V, H, G, d, F = 64, 64, 4, 2, 32, 96
L, E, ACTIVE, FE = 3, 8, 3, 48
HK, R, DK, K = 2, 2, 32, 4
HV, MIXED = HK * R, 2 * HK * DK + HK * R * DK
F32 = 0


def uniform(name, shape, low, high):
    n = int(np.prod(shape))
    bits = np.frombuffer(hashlib.shake_128(name.encode()).digest(4 * n), "<u4")
    return (low + (high - low) * (bits / 2.0**32)).astype("<f4").reshape(shape)


class Tensors(dict):
    """name -> what gguf_file.write wants; shapes as GGUF writes them."""

    def put(self, name, x):
        self[name] = (F32, x.shape[::-1], x.tobytes())

    def matrix(self, name, *extents, gain=1.0):
        a = gain * (3.0 / extents[0]) ** 0.5  # keeps the variance of what it is given
        self.put(name + ".weight", uniform(name, extents[::-1], -a, a))

    def vector(self, name, n, low=-0.5, high=0.5):
        self.put(name, uniform(name, (n,), low, high))

    def norm(self, name, n):
        self.vector(name + ".weight", n, 0.5, 1.5)


def meta(arch, **more):
    m = {"general.architecture": arch, "tokenizer.ggml.model": "none"}
    keys = {"vocab_size": V, "block_count": L, "context_length": 256, "embedding_length": D,
            "feed_forward_length": F, "attention.head_count": H, "attention.head_count_kv": G,
            "attention.key_length": d, "attention.value_length": d, "rope.freq_base": 1e4,
            "attention.layer_norm_rms_epsilon": 1e-6,
            **more}
    return m | {f"{arch}.{k}": v for k, v in keys.items()}


def ends(t, tied=False):
    t.matrix("token_embd", D, V, gain=(D / 3.0) ** 0.5)
    t.norm("output_norm", D)
    if not tied:
        t.matrix("output", D, V, gain=2.0)


def attention(t, b, heads=H, q=1, fused=False, biases=(), norms=False):
    """q = 2: each query head has its gate beside it."""
    t.norm(b + "attn_norm", D)
    groups = heads * G // H
    widths = {"attn_q": q * heads * d, "attn_k": groups * d, "attn_v": groups * d}
    if fused:
        widths = {"attn_qkv": sum(widths.values())}
    for name, n in widths.items():
        t.matrix(b + name, D, n, gain=1.5)
    t.matrix(b + "attn_output", heads * d, D)
    for name in biases:
        t.vector(b + name + ".bias", {**widths, "attn_output": D}[name])
    if norms:
        t.norm(b + "attn_q_norm", d)
        t.norm(b + "attn_k_norm", d)


def dense(t, b, biases=False, norm="ffn_norm"):
    t.norm(b + norm, D)
    for name, a, n in ("ffn_gate", D, F), ("ffn_up", D, F), ("ffn_down", F, D):
        t.matrix(b + name, a, n)
        if biases:
            t.vector(b + name + ".bias", n)


def experts(t, b, width, fused=False, shared=False, norm="ffn_norm"):
    t.norm(b + norm, D)
    t.matrix(b + "ffn_gate_inp", D, E, gain=1.5)
    if fused:
        t.matrix(b + "ffn_gate_up_exps", D, 2 * width, E)
    else:
        t.matrix(b + "ffn_gate_exps", D, width, E)
        t.matrix(b + "ffn_up_exps", D, width, E)
    t.matrix(b + "ffn_down_exps", width, D, E)
    if shared:
        t.vector(b + "ffn_gate_inp_shexp.weight", D)
        t.matrix(b + "ffn_gate_shexp", D, width)
        t.matrix(b + "ffn_up_shexp", D, width)
        t.matrix(b + "ffn_down_shexp", width, D)


def delta(t, b, matrices):
    t.norm(b + "attn_norm", D)
    for name, n in matrices.items():
        t.matrix(b + name, D, n)
    t.matrix(b + "ssm_conv1d", K, MIXED)
    t.vector(b + "ssm_dt.bias", HV)
    t.vector(b + "ssm_a", HV, -1.5, -0.05)
    t.norm(b + "ssm_norm", DK)
    t.matrix(b + "ssm_out", HV * DK, D)


def prediction(t, b):
    t.matrix(b + "nextn.eh_proj", 2 * D, D)
    for name in "enorm", "hnorm", "shared_head_norm":
        t.norm(b + "nextn." + name, D)


def llama():
    """As Llama 3: factors of the angles, own head."""
    t = Tensors()
    ends(t)
    t.vector("rope_freqs.weight", d // 2, 1.0, 8.0)
    for i in range(L):
        attention(t, f"blk.{i}.")
        dense(t, f"blk.{i}.")
    return meta("llama", **{"rope.dimension_count": d}), t


def llama_variants():
    """One matrix for query, key and value, all biases, scaled positions, tied head."""
    t = Tensors()
    ends(t, tied=True)
    for i in range(L):
        attention(t, f"blk.{i}.", fused=True, biases=("attn_qkv", "attn_output"))
        dense(t, f"blk.{i}.", biases=True)
    return meta("llama", **{"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}), t


def llama_experts():
    t = Tensors()
    ends(t)
    for i in range(L):
        attention(t, f"blk.{i}.")
        experts(t, f"blk.{i}.", F)
    return meta("llama", expert_count=E, expert_used_count=ACTIVE), t


def qwen2():
    """llama.cpp wants H*d = D here."""
    t = Tensors()
    ends(t, tied=True)
    for i in range(L):
        attention(t, f"blk.{i}.", heads=D // d, biases=("attn_q", "attn_k", "attn_v"))
        dense(t, f"blk.{i}.")
    return meta("qwen2", **{"attention.head_count": D // d, "attention.head_count_kv": D // d * G // H}), t


def qwen3():
    t = Tensors()
    ends(t)
    for i in range(L):
        attention(t, f"blk.{i}.", norms=True)
        dense(t, f"blk.{i}.")
    return meta("qwen3"), t


def qwen3moe():
    t = Tensors()
    ends(t)
    for i in range(L):
        attention(t, f"blk.{i}.", norms=True)
        experts(t, f"blk.{i}.", FE)
    return meta("qwen3moe", expert_count=E, expert_used_count=ACTIVE, expert_feed_forward_length=FE), t


HYBRID = {"rope.dimension_count": d // 2, "ssm.conv_kernel": K, "ssm.group_count": HK,
          "ssm.time_step_rank": HV, "ssm.state_size": DK, "ssm.inner_size": HV * DK}
EXPERTS = {"expert_count": E, "expert_used_count": ACTIVE, "expert_feed_forward_length": FE,
           "expert_shared_feed_forward_length": FE}
SPLIT = {"attn_qkv": MIXED, "attn_gate": HV * DK}


def hybrid(matrices, ffn, prediction_block=False):
    """Four layers, the last one full attention."""
    t = Tensors()
    ends(t)
    for i in range(4 + prediction_block):
        b = f"blk.{i}."
        if i >= 3:
            attention(t, b, q=2, norms=True)
        else:
            delta(t, b, matrices)
        ffn(t, b, norm="post_attention_norm")
    if prediction_block:
        prediction(t, "blk.4.")
    return t


def shared_experts(t, b, norm, fused=False):
    experts(t, b, FE, fused=fused, shared=True, norm=norm)


def qwen3next():
    t = hybrid({**SPLIT, "ssm_ba": 2 * HV}, shared_experts, prediction_block=True)
    return meta("qwen3next", block_count=5, nextn_predict_layers=1, **HYBRID, **EXPERTS), t


def qwen3next_old():
    """One matrix in place of two, gates and ups of the experts in one."""
    t = hybrid({"ssm_in": MIXED + HV * DK, "ssm_ba": 2 * HV}, functools.partial(shared_experts, fused=True))
    return meta("qwen3next", block_count=4, **HYBRID, **EXPERTS), t


QWEN35 = {**SPLIT, "ssm_alpha": HV, "ssm_beta": HV}
SECTIONS = {"rope.dimension_sections": [3, 3, 2, 0]}


def qwen35():
    return meta("qwen35", block_count=4, **HYBRID, **SECTIONS), hybrid(QWEN35, dense)


def qwen35moe():
    return meta("qwen35moe", block_count=4, **HYBRID, **SECTIONS, **EXPERTS), hybrid(QWEN35, shared_experts)


MODELS = {f.__name__: f for f in (llama, llama_variants, llama_experts, qwen2, qwen3, qwen3moe,
                                  qwen3next, qwen3next_old, qwen35, qwen35moe)}
IDS = [int(x) for x in uniform("ids", (90,), 0, V)]


def write(path, name):
    gguf_file.write(path, *MODELS[name]())
