#!/usr/bin/env python3
"""`sextet plan --prompt-tokens` and `sextet bench --svg`: the times by hand for one
device, the rule of the pipeline for several, the pictures as XML."""
import json
import os
import subprocess
import tempfile
import xml.etree.ElementTree as xml
import ref

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
MODEL = os.path.join(ROOT, "models", "demo", "demo-q4_k.gguf")
PROMPT = 4000
NEAR = 1e-6


def predict(*options):
    said = json.loads(ref.sextet("plan", MODEL, f"--prompt-tokens={PROMPT}", "--json", *options))
    return said["prompts"][0]


def obeys(what, p, waits_for_taking=False):
    """The sentences of runtime/flow.h."""
    work = [dev["work"] for dev in p["devices"]]
    late = 0
    for s, row in enumerate(work):
        for c, (start, _) in enumerate(row):
            before = [row[c - 1][1]] if c else []
            before += [work[s - 1][c][1]] if s else []
            before += [work[s + 1][c - 2][1]] if s + 1 < len(work) and c >= 2 else []
            late += any(start < end - NEAR for end in before)
    ref.equal(f"{what}: works that begin too early", late, 0)
    marks = sorted([(t[0], 1) for row in work for t in row] + [(t[1], -1) for row in work for t in row])
    busy = most = 0
    for _, change in marks:
        busy += change
        most = max(most, busy)
    ref.check(f"{what}: devices at work at once", most, p["lanes"])
    total = sum(end - start for row in work for start, end in row)
    ref.check(f"{what}: busy at once", abs(p["busy_at_once"] - total / p["end"]), NEAR)
    ref.check(f"{what}: idle", abs(p["idle_share"] - (1 - total / p["end"] / p["lanes"])), NEAR)


# Operations by hand: products with the weights of layers 0 to 7 (of 8 experts 4), one
# row of logits, scores and sums of 2 attention layers (4 heads of 256, over the mean
# of t keys), the delta rule of 6 (4 heads of 128 x 128).
tensors = json.loads(ref.sextet("inspect", MODEL, "--json"))["tensors"]
shape = {t["name"]: t["shape"] for t in tensors}
token = sum(2 * d[0] * d[1] * (4 if len(d) == 3 else 1) for n, d in shape.items()
            if n.startswith("blk.") and not n.startswith("blk.8.") and len(d) > 1)
ops = PROMPT * (token + 2 * 4 * 4 * 256 * (PROMPT + 1) / 2 + 6 * 7 * 4 * 128 * 128) + 2 * 256 * 8192
with tempfile.TemporaryDirectory() as tmp:
    mach = os.path.join(tmp, "one.mach")

    def machine(text):
        with open(mach, "w") as f:
            f.write(text)
        return f"--machine={mach}"

    one = predict(machine("device host\n memory 1 GiB\n compute 1 TFLOP/s\n"))
    ref.check("operations of a prompt, relative error", abs(one["end"] * 1e12 / ops - 1), 0.01)
    # Bytes, at 1 GB/s: for each of 8 chunks the layers' weights and the states read and
    # written; keys and values (2 layers, f16) written once and read as far as they go;
    # rows of the table, the head once.
    slow = predict(machine("device host\n memory 1 GiB\n bandwidth 1 GB/s\n compute 1000 TFLOP/s\n"))
    matrices = sum(t["bytes"] for t in tensors if t["name"].startswith("blk.") and not t["name"].startswith("blk.8."))
    states, row = 6 * (4 * 128 * 128 + 3 * 1024) * 4, 2 * 2 * 512 * 2
    table = next(t["bytes"] for t in tensors if t["name"] == "token_embd.weight")
    rows = PROMPT + sum(min(512 * (c + 1), PROMPT) for c in range(8))
    total = 8 * (matrices + 2 * states) + row * rows + table * (PROMPT / 8192 + 1)
    ref.check("bytes of a prompt, relative error", abs(slow["end"] * 1e9 / total - 1), 0.01)
    two = "device host * 2\n memory 1 GiB\n compute 1 TFLOP/s\n"
    free, link = predict(machine(two)), predict(machine(two + "link 1 GB/s 1000 us\n"))
    per_chunk = 512 * (256 + 1) * 4 / 1e9 + 2e-3  # x and positions, two copies
    ref.check("a link costs time", abs(link["devices"][0]["work"][0][1] - free["devices"][0]["work"][0][1] - per_chunk), NEAR)

    for n in range(1, 7):
        p = predict(f"--devices=host*{n}")
        ref.equal(f"{n} devices in the schedule", len(p["devices"]), n)
        obeys(f"{n} devices", p)
        off = predict(f"--devices=host*{n}", "--pipeline=off")
        ref.check(f"{n} devices one by one: busy at once", abs(off["busy_at_once"] - 1), NEAR)
        ref.check(f"{n} devices: at once is faster", p["end"], off["end"] * (1 if n == 1 else 0.65))
        busy = max(sum(end - start for start, end in dev["work"]) for dev in p["devices"])
        ref.check(f"{n} devices: not faster than the slowest", busy, p["end"] + NEAR)
    obeys("six cards", predict("--machine=rtx3090x6", "--batch=100"))

    picture = os.path.join(tmp, "p.svg")
    ref.sextet("plan", MODEL, f"--prompt-tokens={PROMPT}", "--devices=host*3", f"--svg={picture}")
    bars = len(xml.parse(picture).getroot().findall(".//{*}title"))
    ref.equal("bars of the prediction", bars, 3 * 8)
    said = json.loads(ref.sextet("bench", MODEL, "--prompt-tokens=300", "--batch=64", "--max-tokens=0", "--repeat=2",
                                 "--devices=host*3", "--threads=2", f"--svg={picture}", "--json", "--context=512"))
    bars = len(xml.parse(picture).getroot().findall(".//{*}title"))
    ref.equal("bars of prediction and measurement", bars, 2 * 3 * 5)
    measured = said["measurements"][0]
    ref.equal("measured devices", measured["devices_in_flight"], 3)
    ref.equal("measured lanes", measured["lanes"], 2)
    ref.check("measured devices at work", measured["devices_at_work"]["most"], 2)

    for args, words in (
            (("plan", "--prompt-tokens=0"), "expected 1 to"),
            (("plan", "--prompt-tokens=70000", "--batch=1"), "expected 1 to 65536 chunks"),
            (("plan", "--prompt-tokens=10,20", f"--svg={picture}"), "draws one prompt"),
            (("bench", "--max-tokens=0", "--repeat=1", "--prompt-tokens=100", f"--svg={picture}"), "nothing to draw"),
            (("bench", "--max-tokens=2", "--repeat=1", "--prompt-tokens=0", f"--svg={picture}"), "read a prompt"),
            (("plan", "--devices=host*2,host*63"), "1 to 64 devices in all"),
            (("plan", "--devices=host*2@"), "expected a size"),
            (("plan", "--devices=host@0"), "without memory")):
        cmd = [os.path.join(ref.BUILD, "sextet"), args[0], MODEL, *args[1:]]
        done = subprocess.run(cmd, capture_output=True, text=True)
        ref.check(f"{' '.join(args[:2])} is refused", done.returncode == 0 or words not in done.stderr, 0)

    table = json.loads(ref.sextet("plan", MODEL, "--devices=host*2@40MiB,host*4@12MiB", "--json", "--context=1000"))
    ref.check("groups of devices: fits", not table["fits"], 0)
    for dev, cap in zip(table["devices"], [40] * 2 + [12] * 4):
        ref.equal(f"{dev['name']} has its limit", dev["total"] + dev["free"], cap << 20)
ref.finish()
