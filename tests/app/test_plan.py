#!/usr/bin/env python3
"""`sextet plan` on the header of a full-size file (87 GB, sparse): what fits
where, exact to the byte, and a refusal that says by how much."""
import json
import os
import re
import subprocess
import sys
import tempfile
import ref

SYNTH = os.path.join(ref.DEMO, "..", "..", "tools", "synth_gguf.py")
if not os.path.exists(SYNTH):
    print("skipped: the generator of full-size files is not here")
    sys.exit(ref.SKIP)
GIB = 1 << 30


def plan(path, machine, *options):
    cmd = [os.path.join(ref.BUILD, "sextet"), "plan", path, f"--machine={machine}",
           "--kv=q8_0", "--context=262144", *options]
    return subprocess.run(cmd, capture_output=True, text=True)


with tempfile.TemporaryDirectory() as tmp:
    path = os.path.join(tmp, "397b.gguf")
    subprocess.run([sys.executable, SYNTH, "--shape", "397b", "--mix", "ud-tq1", "--sparse", "-o", path],
                   check=True, stdout=subprocess.DEVNULL)
    for machine, cards in (("rtx3090x6", 6), ("rtx3090x4", 4)):
        said = plan(path, machine)
        ref.check(f"{machine} exit status", said.returncode, 0)
        ref.check(f"{machine} says fits", "fits" not in said.stdout, 0)
        table = json.loads(plan(path, machine, "--json").stdout)
        ref.equal(f"{machine} devices", len(table["devices"]), cards)
        total = {k: sum(dev[k] for dev in table["devices"]) for k in table["devices"][0] if k != "name"}
        # 15 layers * (2 heads * 256 values) * (key and value) * 34 bytes per 32 values
        ref.equal(f"{machine} keys and values", total["keys, values"], 262144 * 15 * 2 * 512 * 34 // 32)
        ref.equal(f"{machine} states", total["states"], 45 * (64 * 128 * 128 + 3 * 12288) * 4)
        for dev in table["devices"]:
            parts = sum(v for k, v in dev.items() if k not in ("name", "total", "reserve", "free"))
            ref.equal(f"{machine} {dev['name']} parts", parts, dev["total"])
            ref.equal(f"{machine} {dev['name']} all", dev["total"] + dev["reserve"] + dev["free"], 24 * GIB)
            ref.check(f"{machine} {dev['name']} reserve", abs(dev["reserve"] - GIB // 2), 0)
    refused = plan(path, "rtx3090x3")
    ref.equal("rtx3090x3 exit status", refused.returncode, 1)
    ref.check("refusal names card, bytes and a way out",
              not re.search(r"cuda:\d lacks \d+ bytes.*at least 4", refused.stderr), 0)
    print(refused.stderr.strip())
ref.finish()
