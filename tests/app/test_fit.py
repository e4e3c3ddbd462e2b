#!/usr/bin/env python3
"""`sextet plan` on cards described by hand, whose memory is what a plan needs to the
byte, the scratch of its kernels included, or a byte less: smaller batches, layers cut
otherwise, a refusal. And what is explained of a plan that was made more than once."""
import collections
import json
import os
import subprocess
import tempfile
import ref

MODEL = os.path.join(os.path.dirname(__file__), "..", "..", "models", "demo", "demo-q4_k.gguf")
LARGE = 4 << 30
tmp = tempfile.TemporaryDirectory()


def plan(*memory, options=("--json",)):
    """Of cards with so many bytes each: what is said, and the messages."""
    machine = os.path.join(tmp.name, "machine.txt")
    with open(machine, "w") as f:
        f.writelines(f"device cuda * 1\n  memory {n} B\n  reserve 0 B\n" for n in memory)
    done = subprocess.run([os.path.join(ref.BUILD, "sextet"), "plan", MODEL, f"--machine={machine}", *options],
                          capture_output=True, text=True)
    return done.stdout, done.stderr


def table(*memory, options=()):
    return json.loads(plan(*memory, options=("--json", *options))[0])


def same(what, got, want):
    ref.check(f"{what}: {got}", got != want, 0)


def totals(t):
    return [d["total"] for d in t["devices"]]


# ---- one card: batches are halved until scratch and kernels fit
whole = table(LARGE)
need, kernels = totals(whole)[0], whole["devices"][0]["kernels"]
ref.check("its kernels take scratch of their own", kernels <= 1 << 20, 0)
exact = table(need)
same("a card with just enough", (exact["batch"], exact["fits"], totals(exact)), (whole["batch"], True, [need]))
for name, memory in (("a byte less", need - 1), ("room for all but its kernels", need - kernels)):
    halved = table(memory)
    same(f"a card with {name}", (halved["batch"], halved["fits"]), (whole["batch"] // 2, True))
    ref.check("what it needs is there", totals(halved)[0] > memory, 0)
given = table(need - 1, options=(f"--batch={whole['batch']}",))
same("a batch that was asked for stays", (given["batch"], given["fits"]), (whole["batch"], False))
least = table(LARGE, options=("--batch=512",))
small = table(totals(least)[0])
same("the least that is tried", (small["batch"], small["fits"]), (512, True))
small = table(totals(least)[0] - 1)
same("less than that", (small["batch"], small["fits"]), (512, False))
said = plan(totals(least)[0] - 1)[1]
ref.check("lacks 1 byte", "lacks 1 bytes" not in said, 0)

# ---- two cards: layers lie where they fit beside scratch and kernels
for first in range(3, 8):
    cut = totals(table(LARGE, LARGE, options=(f"--place={first},{ref.LAYERS - first}",)))
    found = table(*cut)
    same(f"{first} layers on the first card", (found["fits"], totals(found)), (True, cut))

# ---- explained once, of the plan that was chosen
often = {}
for name, memory, options in (("one plan", (LARGE,), ("--batch=2048",)), ("halved", (need - 1,), ()),
                              ("cut twice", cut, ())):
    lines = [line for line in plan(*memory, options=("--explain", *options))[1].splitlines() if ": " in line]
    often[name] = collections.Counter(lines)
    ref.check(f"{name}: {len(lines)} lines are said once", max(often[name].values()) - 1 if lines else 1, 0)
ref.check("a halved batch is explained like one that was asked for", often["halved"] != often["one plan"], 0)
ref.finish()
