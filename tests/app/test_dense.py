#!/usr/bin/env python3
"""Dense Qwen3.5 (models/qwen35.mdl) on random files made here: tied and own
head, three matrices or one for query, key and value; interpreter and JIT
agree, in one step and token by token."""
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

L, D, V, H, G, d, F = 4, 64, 96, 4, 2, 32, 160
K, HK, HV, DK = 4, 2, 4, 32
MIXED = 2 * HK * DK + HV * DK


def write(path, tied, fused):
    rng = np.random.default_rng(11)
    w = gguf.GGUFWriter(path, "qwen35")
    for key, value in (("block_count", L), ("embedding_length", D), ("attention.head_count", H),
                       ("attention.head_count_kv", G), ("attention.key_length", d),
                       ("attention.value_length", d), ("feed_forward_length", F),
                       ("rope.dimension_count", 16), ("ssm.conv_kernel", K), ("ssm.group_count", HK),
                       ("ssm.time_step_rank", HV), ("ssm.state_size", DK), ("ssm.inner_size", HV * DK),
                       ("context_length", 256)):
        w.add_uint32(f"qwen35.{key}", value)
    w.add_float32("qwen35.attention.layer_norm_rms_epsilon", 1e-6)
    w.add_float32("qwen35.rope.freq_base", 1e7)
    w.add_array("qwen35.rope.dimension_sections", [3, 3, 2, 0])

    def make(name, *shape, scale=0.2, kind="F32"):
        kind = gguf.GGMLQuantizationType[kind]
        x = (rng.standard_normal(shape) * scale).astype(np.float32)
        w.add_tensor(name, gguf.quants.quantize(x, kind), raw_dtype=kind)

    make("token_embd.weight", V, D, scale=1, kind="F16")
    make("output_norm.weight", D, scale=1)
    if not tied:
        make("output.weight", V, D, kind="Q8_0")
    for i in range(L):
        b = f"blk.{i}."
        make(b + "attn_norm.weight", D, scale=1)
        make(b + "post_attention_norm.weight", D, scale=1)
        make(b + "ffn_gate.weight", F, D, kind="Q8_0")
        make(b + "ffn_up.weight", F, D, kind="BF16")
        make(b + "ffn_down.weight", D, F, kind="Q4_0")
        if i % 4 == 3:
            if fused:
                make(b + "attn_qkv.weight", 2 * H * d + 2 * G * d, D, kind="Q8_0")
            else:
                make(b + "attn_q.weight", 2 * H * d, D, kind="Q8_0")
                make(b + "attn_k.weight", G * d, D)
                make(b + "attn_v.weight", G * d, D, kind="F16")
            make(b + "attn_q_norm.weight", d, scale=1)
            make(b + "attn_k_norm.weight", d, scale=1)
            make(b + "attn_output.weight", D, H * d, kind="Q5_0")
            continue
        make(b + "attn_qkv.weight", MIXED, D, kind="Q8_0")
        make(b + "attn_gate.weight", HV * DK, D)
        make(b + "ssm_alpha.weight", HV, D)
        make(b + "ssm_beta.weight", HV, D)
        make(b + "ssm_conv1d.weight", MIXED, K)
        make(b + "ssm_dt.bias", HV)
        w.add_tensor(b + "ssm_a", -np.exp(rng.standard_normal(HV)).astype(np.float32))
        make(b + "ssm_norm.weight", DK, scale=1)
        make(b + "ssm_out.weight", D, HV * DK, kind="Q8_0")
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


ref.VOCAB = V
ids = np.random.default_rng(5).integers(0, V, 90)
exact = ("--activations=f32", "--kv=f32")
with tempfile.TemporaryDirectory() as tmp:
    for tied, fused in ((True, False), (False, True)):
        path = os.path.join(tmp, f"dense{tied}{fused}.gguf")
        write(path, tied, fused)
        name = f"{'tied' if tied else 'own'} head, {'one matrix' if fused else 'three matrices'}"
        want = ref.evaluate(path, ids, *exact, "--devices=interp")
        for options in ((), ("--batch=1",), ("--batch=7", "--devices=host*3")):
            ref.check(f"{name} {' '.join(options)}", ref.nmse(ref.evaluate(path, ids, *exact, *options), want), 1e-9)
ref.finish()
