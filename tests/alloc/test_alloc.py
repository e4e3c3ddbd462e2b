#!/usr/bin/env python3
"""What happens when memory runs out: small runs of plan, show, run and eval in
which one allocation fails, or every one from then on. A run must then

- say so in one line and end with status 1 (the request path), or
- say "sextet: out of memory (N bytes)" and abort (the compiler's memory), or
- do without, its output the same to the byte.

test_alloc.py BUILD [EACH]: of every place that allocates, EACH of its
allocations, evenly spread, fail in both ways (1: the first); EACH = 0 sweeps all
of them. failing_malloc.c says which allocations count."""
import collections
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(sys.argv[1])
EACH = int(sys.argv[2]) if len(sys.argv) > 2 else 1
SHIM = os.path.join(BUILD, "failing_malloc.so")
JIT = os.path.exists(os.path.join(BUILD, "sextet-llvm.so"))
MODEL = "models/demo/demo-q4_k.gguf"
WORK = tempfile.mkdtemp(prefix="sextet-alloc-")
CACHE = "--cache-dir=" + os.path.join(WORK, "cache")
HANG = 20  # seconds of a run that takes less than one
ABORT = re.compile(rb"sextet: out of memory \(\d+ bytes\)\n")
ERROR = re.compile(rb"sextet: [^\n]*\bmemory\b[^\n]*\n", re.IGNORECASE)
WARNING = re.compile(rb"(sextet: warning: [^\n]*\n)*")
TEXT = os.path.join(WORK, "text")
Run = collections.namedtuple("Run", "args at always site outcome")

RUNS = [["plan", MODEL], ["show", MODEL, "--stage=fused"],
        ["run", MODEL, "Hi", "--max-tokens=2", "--devices=interp", "--threads=2"],
        ["eval", MODEL, "--text=" + TEXT, "--devices=interp", "--threads=2", "--logits=OUT"]]
if JIT:
    RUNS += [["run", MODEL, "Hi", "--max-tokens=2", "--threads=2", CACHE],
             ["eval", MODEL, "--text=" + TEXT, "--threads=2", CACHE, "--logits=OUT"]]


def sextet(args, at, always):
    """(status, output, words, what the shim reports); the output of eval has its
    logits behind it."""
    with tempfile.TemporaryDirectory(dir=WORK) as own:
        report, out = os.path.join(own, "report"), os.path.join(own, "out")
        env = dict(os.environ, LD_PRELOAD=SHIM, ALLOC_FAIL_AT=str(at),
                   ALLOC_REPORT=report)
        env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + env.get("ASAN_OPTIONS", "")
        env.setdefault("LSAN_OPTIONS", "use_tls=0:print_suppressions=0")
        if always:
            env["ALLOC_FAIL_ALWAYS"] = "1"
        args = [a.replace("OUT", out) for a in args]
        try:
            p = subprocess.run([os.path.join(BUILD, "sextet"), *args], env=env,
                               stdin=subprocess.DEVNULL, capture_output=True,
                               timeout=HANG if at else 300)
        except subprocess.TimeoutExpired:
            return "hang", b"", b"", []
        output = p.stdout
        if os.path.exists(out):
            with open(out, "rb") as f:
                output += f.read()
        sites = []
        if os.path.exists(report):
            with open(report) as f:
                sites = [line.split()[1] for line in f]
        return p.returncode, output, p.stderr, sites


def outcome(status, output, words, expected):
    if status == -signal.SIGABRT and ABORT.fullmatch(words):
        return "abort"
    if status == 1 and ERROR.fullmatch(words):
        return "error"
    if status == 0 and output == expected and WARNING.fullmatch(words):
        return "same"
    return None


def chosen(sites):
    """The allocations that shall fail, counted from 1."""
    of = collections.defaultdict(list)
    for i, site in enumerate(sites):
        of[site].append(i + 1)
    for at in of.values():
        n = len(at)
        k = min(EACH, n) if EACH else n
        yield from sorted({at[i * (n - 1) // max(k - 1, 1)] for i in range(k)})


def place(site):
    """MODULE+OFFSET as words, for whoever must find it."""
    module, offset = site.split("+")
    path = os.path.join(BUILD, module)
    if not os.path.exists(path) or not shutil.which("addr2line"):
        return site
    return " ".join(subprocess.run(["addr2line", "-fse", path, hex(int(offset, 16) - 1)],
                                   capture_output=True, text=True).stdout.split())


def sweep(args, pool):
    """Yields the runs that are none of the three."""
    status, expected, words, sites = sextet(args, 0, False)
    if status != 0:
        sys.exit("FAILED: %s undisturbed: %s %s" % (args, status, words.decode()))
    if len(sites) < 10:
        sys.exit("FAILED: %s: %d allocations counted" % (args, len(sites)))

    def one(at, always):
        status, output, words, hit = sextet(args, at, always)
        good = outcome(status, output, words, expected)
        if not good:
            print("FAILED: %s, allocation %d%s, %s: status %s\n%s" % (
                " ".join(args), at, " and all that follow" if always else "",
                place(hit[0]) if hit else "not reached", status,
                words.decode(errors="replace")[:3000]), flush=True)
        return Run(args, at, always, hit[0] if hit else None, good)

    jobs = [pool.submit(one, at, always) for at in chosen(sites)
            for always in (False, True)]
    runs = [j.result() for j in jobs]
    by = collections.Counter(r.outcome for r in runs)
    hit = {r.site for r in runs} - {None}
    print("%-4s %-24s %5d allocations at %2d places; %3d runs: %3d aborted, %3d "
          "errors, %3d the same, %d wrong" % (
              args[0], args[-1].split(WORK)[0], len(sites), len(hit), len(runs),
              by["abort"], by["error"], by["same"], by[None]), flush=True)
    return runs


def main():
    if not os.path.exists(SHIM):
        print("skipped: no failing_malloc.so")
        sys.exit(77)
    with open(TEXT, "w") as f:
        f.write("The cat sat.")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = []
        for args in RUNS:
            sextet(args, 0, False)  # fills the cache
            runs += sweep(args, pool)
    wrong = [r for r in runs if not r.outcome]
    missed = sum(r.site is None for r in runs)
    print("%d runs, %d places, %d did not get so far" % (
        len(runs), len({r.site for r in runs} - {None}), missed))
    for kind in ("abort", "error", "same"):
        if not any(r.outcome == kind for r in runs):
            sys.exit("FAILED: no run ended as '%s'" % kind)
    sys.exit("FAILED: %d runs" % len(wrong) if wrong else 0)


try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
