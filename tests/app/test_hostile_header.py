#!/usr/bin/env python3
"""A header whose numbers lie: `sextet plan` on a tiny file in which one value of
the metadata, or two, are what no converter writes.  It says in one error what
is wrong, or the value does not matter: no crash, no hang, no heap of memory."""
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
SECONDS, MEBIBYTES = 20, 400  # of one run, with sanitizers on a busy machine
U32, I32, F32, BOOL, STR, ARR, U64, I64, F64 = 4, 5, 6, 7, 8, 9, 10, 11, 12
CODES = {U32: "<I", I32: "<i", F32: "<f", BOOL: "<?", U64: "<Q", I64: "<q", F64: "<d"}
failures = 0


def text(s):
    raw = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, v):
    if kind == STR:
        return text(v)
    if kind == ARR:
        of, items = v
        return struct.pack("<IQ", of, len(items)) + b"".join(value(of, x) for x in items)
    return struct.pack(CODES[kind], v)


# ---- a model of four layers and a prediction block

D, V, H, G, d, E, F, Hk, Hv, dk, dv, K, L = 64, 96, 4, 2, 32, 4, 64, 2, 4, 32, 32, 4, 4
ARCH = "qwen35moe."
META = {
    "general.architecture": (STR, "qwen35moe"),
    "block_count": (U32, L + 1),
    "nextn_predict_layers": (U32, 1),
    "context_length": (U32, 512),
    "embedding_length": (U32, D),
    "attention.head_count": (U32, H),
    "attention.head_count_kv": (U32, G),
    "attention.key_length": (U32, d),
    "attention.value_length": (U32, d),
    "attention.layer_norm_rms_epsilon": (F32, 1e-6),
    "rope.dimension_count": (U32, 16),
    "rope.dimension_sections": (ARR, (I32, [3, 3, 2, 0])),
    "rope.freq_base": (F32, 1e7),
    "full_attention_interval": (U32, 4),
    "attention.recurrent_layers": (ARR, (BOOL, [True, True, True, False, False])),
    "ssm.conv_kernel": (U32, K),
    "ssm.state_size": (U32, dk),
    "ssm.group_count": (U32, Hk),
    "ssm.time_step_rank": (U32, Hv),
    "ssm.inner_size": (U32, Hv * dv),
    "expert_count": (U32, E),
    "expert_used_count": (U32, 2),
    "expert_feed_forward_length": (U32, F),
    "expert_shared_feed_forward_length": (U32, F),
}
# What may differ and still be a model.
FREE = {"context_length", "full_attention_interval", "rope.dimension_sections"}
HARMLESS = {
    "block_count": [L + 1],
    "nextn_predict_layers": [0, 1, None, (U32, [])],
    "attention.value_length": [None, (U32, [])],
    "attention.recurrent_layers": [None],
    "expert_used_count": [1, 3],
    "expert_shared_feed_forward_length": [None, (U32, [])],
}


def tensors():
    yield "token_embd.weight", (D, V)
    yield "output_norm.weight", (D,)
    for i in range(L + 1):
        b = f"blk.{i}."
        yield b + "attn_norm.weight", (D,)
        yield b + "post_attention_norm.weight", (D,)
        yield b + "ffn_gate_inp.weight", (D, E)
        yield b + "ffn_gate_inp_shexp.weight", (D,)
        for part in ("gate", "up"):
            yield b + f"ffn_{part}_exps.weight", (D, F, E)
            yield b + f"ffn_{part}_shexp.weight", (D, F)
        yield b + "ffn_down_exps.weight", (F, D, E)
        yield b + "ffn_down_shexp.weight", (F, D)
        if i % 4 == 3 or i == L:
            yield b + "attn_q.weight", (D, 2 * H * d)
            yield b + "attn_k.weight", (D, G * d)
            yield b + "attn_v.weight", (D, G * d)
            yield b + "attn_q_norm.weight", (d,)
            yield b + "attn_k_norm.weight", (d,)
            yield b + "attn_output.weight", (H * d, D)
        else:
            mixed = 2 * Hk * dk + Hv * dv
            yield b + "attn_qkv.weight", (D, mixed)
            yield b + "attn_gate.weight", (D, Hv * dv)
            yield b + "ssm_beta.weight", (D, Hv)
            yield b + "ssm_alpha.weight", (D, Hv)
            yield b + "ssm_a", (Hv,)
            yield b + "ssm_dt.bias", (Hv,)
            yield b + "ssm_conv1d.weight", (K, mixed)
            yield b + "ssm_norm.weight", (dv,)
            yield b + "ssm_out.weight", (Hv * dv, D)
    for name in ("enorm", "hnorm"):
        yield f"blk.{L}.nextn.{name}.weight", (D,)
    yield f"blk.{L}.nextn.eh_proj.weight", (2 * D, D)


def tensor_table():
    table, at = b"", 0
    for name, shape in tensors():
        table += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, at)
        size = 4
        for n in shape:
            size *= n
        at += -(-size // 32) * 32
    return table, at


TABLE, DATA = tensor_table()


def write(path, changes):
    """changes: key -> (kind, value), None to leave the key out."""
    meta = {**META, **changes}
    meta = {k: v for k, v in meta.items() if v}
    head = b"GGUF" + struct.pack("<IQQ", 3, sum(1 for _ in tensors()), len(meta))
    for key, (kind, v) in meta.items():
        full = key if key.startswith("general.") else ARCH + key
        head += text(full) + struct.pack("<I", kind) + value(kind, v)
    head += TABLE
    with open(path, "wb") as f:
        f.write(head)
        f.truncate(-(-len(head) // 32) * 32 + DATA)


# ---- lies

NUMBERS = [(U32, 0), (U32, 1), (U32, 3), (U32, 5), (U32, 2**16), (U32, 10**9), (U32, 2**32 - 1), (I32, -1),
           (I32, -2**31), (U64, 2**40), (U64, 2**62), (U64, 2**63), (U64, 2**64 - 1), (I64, 2**63 - 1),
           (I64, -2**63), (F32, float("nan")), (F64, float("inf")), (F64, 1e300), (F32, 0.0), (F32, -1.0)]
OTHERS = [None, (BOOL, True), (STR, ""), (STR, "4"), (STR, b"\xff\n\x1b[2J"), (STR, "x" * 5000),
          (ARR, (U32, [])), (ARR, (U32, [1, 2])), (ARR, (I64, [-2**63] * 5)), (ARR, (STR, ["a"] * 5)),
          (ARR, (F32, [float("nan")] * 5))]


def lies():
    rng = random.Random(4)
    for key in META:
        for lie in NUMBERS + OTHERS:
            yield {key: lie}
    for _ in range(150):
        yield {key: rng.choice(NUMBERS) for key in rng.sample(sorted(META), 2)}


# Consistent as far as the requirements go, and far too large.
BIG = [
    {"attention.recurrent_layers": (ARR, (BOOL, [True] * 200000)), "block_count": (U32, 200000)},
    {"attention.recurrent_layers": None, "full_attention_interval": (U32, 1)},
    {"ssm.inner_size": (U64, 2**62), "ssm.time_step_rank": (U64, 2**61), "ssm.group_count": (U64, 2**60)},
    {"ssm.state_size": (U64, 2**62), "ssm.group_count": (U32, 4)},
    {"attention.head_count": (U64, 2**62), "attention.head_count_kv": (U64, 2**62)},
    {"attention.key_length": (U64, 2**62), "attention.value_length": (U64, 2**62),
     "rope.dimension_count": (U64, 2**62)},
    {"embedding_length": (U64, 2**39), "expert_count": (U64, 2**39), "expert_used_count": (U64, 2**39)},
    {"expert_used_count": (U32, 5)},
    {"ssm.conv_kernel": (U64, 2**63 - 1)},
    {"block_count": (I64, -2**63), "nextn_predict_layers": (I64, 2**62)},
    {"nextn_predict_layers": (I64, -10**9)},
]


def harmless(key, lie):
    v = lie[1] if lie else None
    if key in ("attention.layer_norm_rms_epsilon", "rope.freq_base"):
        return isinstance(v, (int, float)) and v >= 0 and math.isfinite(v)
    return key in FREE or v in HARMLESS.get(key, [])


def describe(changes):
    return ", ".join(f"{k}={'absent' if v is None else str(v[1])[:40]}" for k, v in changes.items())


def fail(changes, why, said):
    global failures
    failures += 1
    print(f"FAIL {describe(changes)}: {why}\n{said[:1500]}")


def run(path):
    """Exit status (negative: a signal; None: too slow), messages, MiB."""
    child = subprocess.Popen([os.path.join(BUILD, "sextet"), "plan", path], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
    end = time.monotonic() + SECONDS
    os.set_blocking(child.stderr.fileno(), False)
    said = b""
    while True:
        said += child.stderr.read() or b""
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            said += child.stderr.read() or b""
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode, said.decode(errors="replace"), usage.ru_maxrss / 1024
        if time.monotonic() > end:
            child.kill()
            child.wait()
            return None, said.decode(errors="replace"), 0
        time.sleep(0.002)


def check(path, changes):
    write(path, changes)
    status, said, mebibytes = run(path)
    last = said.strip().split("\n")[-1]
    if status not in (0, 1):
        fail(changes, f"exit status {status}", said)
    elif "Sanitizer" in said or "runtime error" in said:
        fail(changes, "a sanitizer speaks", said)
    elif mebibytes > MEBIBYTES:
        fail(changes, f"{mebibytes:.0f} MiB", said)
    elif any(ord(c) < 32 and c != "\n" for c in said):
        fail(changes, "control characters", repr(said))
    elif status == 0 and len(changes) == 1 and not all(harmless(*c) for c in changes.items()):
        fail(changes, "taken for true", said)
    elif status == 1 and (not last.startswith("sextet: ") or said.count("error:") > 1 or
                          (said.count("error:") == 0 and said.strip() != last)):
        fail(changes, "not one error", said)
    return status


with tempfile.TemporaryDirectory() as tmp:
    path = os.path.join(tmp, "tiny.gguf")
    if check(path, {}) != 0:
        fail({}, "the true header is refused", run(path)[1])
    refused = count = 0
    for changes in [*lies(), *BIG]:
        refused += check(path, changes) == 1
        count += 1
print(f"{count} headers, {refused} refused")
sys.exit(1 if failures else 0)
