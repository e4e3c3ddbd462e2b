#!/usr/bin/env python3
"""run, eval, bench and the rules of the command line, with the demo model that
ships: what is printed where, exit statuses, Ctrl-C, plans and caches on disk."""
import array
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
MODEL = "models/demo/demo-q4_k.gguf"
WORK = tempfile.mkdtemp(prefix="sextet-cli-")
VOCABULARY, WIDTH, LAYERS = 8192, 256, 8
JIT = os.path.exists(os.path.join(BUILD, "sextet-llvm.so"))
CACHE = "--cache-dir=" + os.path.join(WORK, "cache")
ENGINE = [CACHE] if JIT else ["--devices=interp"]
NO_END = ["--logit-bias=%d=-100" % x for x in (8159, 8161)]  # <|endoftext|>, <|im_end|>
checks = 0
# As in ref.py; and what it says would stand in the program's output.
os.environ.setdefault("LSAN_OPTIONS", "use_tls=0:print_suppressions=0")


def check(good, *what):
    global checks
    checks += 1
    if not good:
        sys.exit("FAILED: " + " ".join(map(str, what)))


def sextet(*args, stdin=b"", env=None):
    return subprocess.run([os.path.join(BUILD, "sextet"), *args], input=stdin,
                          capture_output=True, env=env, timeout=300)


def good(*args, **more):
    p = sextet(*args, **more)
    check(p.returncode == 0, args, p.returncode, p.stderr.decode())
    return p


def fails(status, words, *args, **more):
    p = sextet(*args, **more)
    check(p.returncode == status, args, "ended with", p.returncode, p.stderr)
    check(words in p.stderr.decode(), args, p.stderr.decode(), "lacks", words)
    check(p.stdout == b"", args, "printed", p.stdout)


def put(name, data):
    path = os.path.join(WORK, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def floats(name):
    v = array.array("f")
    path = os.path.join(WORK, name)
    with open(path, "rb") as f:
        v.frombytes(f.read())
    return v


def usage():
    fails(2, "expected a command")
    fails(2, "did you mean 'run'?", "runn", MODEL)
    fails(2, "did you mean --temperature?", "run", MODEL, "--temprature=0")
    fails(2, "too few arguments", "run")
    fails(2, "takes no --stage", "run", MODEL, "--stage=plan")
    fails(2, "give --tokens=FILE or --text=FILE", "eval", MODEL)
    fails(2, "give one", "run", MODEL, "a", "--prompt-file=b")
    fails(2, "--repeat", "bench", MODEL, "--repeat=0")
    fails(2, "takes no --plan", "run", MODEL, "x", "--devices=interp", "--plan=x")
    fails(1, "cannot open", "run", "nothing.gguf", "x")
    fails(1, "is empty", "run", MODEL, "", *ENGINE)
    fails(1, "UTF-8", "run", MODEL, *ENGINE, stdin=b"ab\xff")
    for command in ("run", "eval", "bench", "plan", "show"):
        check(b"usage: sextet " + command.encode() in good("help", command).stdout, command)
        check(good(command, "--help").stdout == good("help", command).stdout, command)


def run_prints_the_text():
    base = ["run", MODEL, "--temperature=0", "--max-tokens=8", *ENGINE]
    quiet = good(*base, "Hello", "--quiet")
    check(quiet.stderr == b"" and quiet.stdout, quiet)
    plain = good(*base, "Hello")
    check(plain.stdout == quiet.stdout + b"\n", plain)
    check(good(*base, "--quiet", stdin=b"Hello").stdout == quiet.stdout, "stdin")
    prompt = put("prompt", b"Hello")
    check(good(*base, "--quiet", "--prompt-file=" + prompt).stdout == quiet.stdout, "file")
    r = json.loads(good(*base, "Hello", "--json").stdout)
    check(r["text"] == quiet.stdout.decode(), r)
    check(r["stop"] == "length" and r["generated_tokens"] == 8, r)
    stats = good(*base, "Hello", "--stats")
    check(stats.stdout == plain.stdout and b"tokens/s" in stats.stderr, stats)
    same = [good("run", MODEL, "Hello", "--max-tokens=8", "--temperature=2", "--seed=%d" % seed,
                 "--quiet", *ENGINE).stdout for seed in (1, 1, 2, 3, 4)]
    check(same[0] == same[1] and len(set(same)) > 1, same)


def run_ends():
    full = good("run", MODEL, "Hello", "--temperature=0", "--context=5", *ENGINE)
    check(b"context of 5 tokens is full" in full.stderr, full)
    r = json.loads(good("run", MODEL, "Hello", "--temperature=0", "--context=5", "--json",
                        *ENGINE).stdout)
    check(r["stop"] == "context" and r["prompt_tokens"] + r["generated_tokens"] == 6, r)
    fails(1, "context is full", "run", MODEL, "Hello world, a long one", "--context=2", *ENGINE)
    asked = "<|im_start|>user\nWhat is 2 + 2?<|im_end|>\n<|im_start|>assistant\n<think>"
    r = json.loads(good("run", MODEL, asked, "--special", "--temperature=0", "--json",
                        "--max-tokens=200", *ENGINE).stdout)
    check(r["stop"] == "end" and "<|im_end|>" not in r["text"], r)


def interrupt():
    p = subprocess.Popen([os.path.join(BUILD, "sextet"), "run", MODEL, "Hello", "--temperature=0",
                          "--context=100000", "--stats", *ENGINE, *NO_END],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = p.stdout.read(1)
    p.send_signal(signal.SIGINT)
    text, messages = p.communicate(timeout=120)
    check(p.returncode == 130, p.returncode, messages)
    check((first + text).endswith(b"\n") and b"tokens/s" in messages, text, messages)


def evaluation():
    ids = put("ids", b"760 41\n1522 7\t9 1024\r\n 3 3 11\n")
    base = ["eval", MODEL, "--tokens=" + ids, "--json", "--kv=f32", *ENGINE]
    out = [os.path.join(WORK, name) for name in ("logits", "tail", "hidden")]
    r = json.loads(good(*base, "--logits=" + out[0], "--dump-hidden=" + out[2]).stdout)
    check(r["tokens"] == 9 and r["targets"] == 8 and len(r["nll_each"]) == 8, r)
    check(abs(sum(r["nll_each"]) / 8 - r["nll"]) < 1e-9, r)
    whole = floats("logits")
    check(len(whole) == 9 * VOCABULARY, len(whole))
    hidden = floats("hidden")
    check(len(hidden) == LAYERS * 9 * WIDTH, len(hidden))
    r = json.loads(good(*base, "--positions=last:4", "--logits=" + out[1],
                        "--dump-hidden=" + out[2]).stdout)
    check(r["positions"] == 4 and r["targets"] == 3, r)
    check(floats("tail") == whole[5 * VOCABULARY:], "last four positions")
    tail = floats("hidden")
    for layer in range(LAYERS):
        begin = (layer * 9 + 5) * WIDTH
        check(tail[layer * 4 * WIDTH:(layer + 1) * 4 * WIDTH] == hidden[begin:begin + 4 * WIDTH],
              "hidden of layer", layer)
    r = json.loads(good(*base, "--reference=" + out[0]).stdout)
    check(r["nmse"] == 0 and r["flips"] == 0 and r["kl_mean"] == 0, r)
    for more in (["--poison"], ["--poison", "--devices=host*3"], ["--poison", "--fuse=none"]):
        if JIT:
            r = json.loads(good(*base, "--reference=" + out[0], *more).stdout)
            check(r["nmse"] == 0, more, "something is read before it is made", r["nmse"])
    fails(1, "must hold 9 positions", *base, "--reference=" + out[1])
    fails(2, "expected all or last:N", *base, "--positions=first:3")
    fails(1, "no entry point 'other'", *base, "--entry=other")
    for text, words in ((b"1 x", "'x' is not"), (b"1 -2", "'-2'"), (b"", "no tokens"),
                        (b"99999999999", "is not a token"), (b"8192", "outside the vocabulary")):
        fails(1, words, "eval", MODEL, "--tokens=" + put("bad", text), *ENGINE)
    text = put("text", "Hello world, how are you? Grüße.".encode())
    r = json.loads(good("eval", MODEL, "--text=" + text, "--json", *ENGINE).stdout)
    check(r["tokens"] > 5 and r["perplexity"] > 1, r)
    r = json.loads(good(*base, "--entry=draft", "--logits=" + out[1]).stdout)
    check(r["targets"] == 7 and len(floats("tail")) == 9 * VOCABULARY, r)


def plans_and_caches():
    base = ["run", MODEL, "Hello", "--temperature=0", "--max-tokens=8", "--quiet"]
    want = good(*base, CACHE).stdout
    plan = put("plan", good("show", MODEL, "--stage=plan", "--context=64").stdout)
    check(good(*base, CACHE, "--plan=" + plan).stdout == want, "--plan")
    text = open(plan).read()
    for change in (("launch k0 on d0 (w0, ", "launch k0 on d0 (w1, "), ("q4_k", "q5_k"),
                   ("sextet-plan 1", "sextet-plan 9"), ("context 64", "context 65")):
        check(change[0] in text, change)
        fails(1, "", *base, CACHE, "--plan=" + put("bad", text.replace(*change, 1).encode()))
    folder = os.path.join(WORK, "cache")
    entries = [os.path.join(folder, x) for x in os.listdir(folder)]
    check(entries, "nothing was kept")
    for path in entries:
        with open(path, "r+b") as f:
            f.seek(200)
            f.write(b"damage")
    p = good(*base, CACHE)
    check(p.stdout == want and b"damaged" in p.stderr, p)
    p = good(*base, CACHE)
    check(p.stdout == want and p.stderr == b"", p)
    home = os.path.join(WORK, "home")
    os.mkdir(home)
    good(*base, env={"HOME": home, "LSAN_OPTIONS": os.environ["LSAN_OPTIONS"]})
    check(os.listdir(os.path.join(home, ".cache", "sextet")), "default folder")
    check(good(*base, "--cache-size=0", "--cache-dir=" + home + "/no").stdout == want, "no cache")
    check(not os.path.exists(home + "/no"), "no cache, yet a folder")
    p = good(*base, "--cache-dir=" + plan)
    check(p.stdout == want and b"not kept" in p.stderr, p)
    fails(1, "cannot open the host compiler", *base, "--provider=/nonexistent.so")


def benches():
    r = json.loads(good("bench", MODEL, "--prompt-tokens=5,3", "--max-tokens=2", "--repeat=2",
                        "--depth=0,4", "--json", *ENGINE).stdout)
    want = [(w, n, d) for d in (0, 4) for w, n in (("prefill", 5), ("prefill", 3), ("decode", 2), ("generate", 2))]
    check([(m["what"], m["tokens"], m["depth"]) for m in r["measurements"]] == want, r)
    for m in r["measurements"]:
        for key in ["tokens_per_s"] + ["first_token_s"] * (m["what"] == "prefill"):
            check(0 < m[key]["least"] <= m[key]["median"] <= m[key]["most"], key, r)
    fails(2, "nothing to measure", "bench", MODEL, "--prompt-tokens=0", "--max-tokens=0")
    fails(2, "below 2^31", "bench", MODEL, "--depth=2147483640", "--prompt-tokens=9")
    r = json.loads(good("bench", MODEL, "--startup", "--repeat=2", "--json",
                        "--machine=rtx3090x6").stdout)
    check(r["plan_total_s"]["median"] > 0 and "cold_total_s" not in r, r)
    if JIT:
        r = json.loads(good("bench", MODEL, "--startup", "--repeat=2", "--json", CACHE).stdout)
        check(r["cached_kernels_s"]["median"] < r["cold_kernels_s"]["median"], r)
        args = ("bench", MODEL, "--prompt-tokens=5", "--max-tokens=1", "--repeat=1", "--profile",
                CACHE)
        p = good(*args)
        check(b"experts ffn_gate_exps+ffn_up_exps q4_k" in p.stdout, p)
        r = json.loads(good(*args, "--json").stdout)
        decode = r["measurements"][1]
        moved = sum(k["bytes"] for k in decode["kernels"])
        check(abs(moved / decode["bytes_per_token"] - 1) < 1e-9, moved, decode)
        check(0 < decode["share_of_bandwidth"] and r["read_bytes_per_s"] > 0, r)


started = time.monotonic()
usage()
run_prints_the_text()
run_ends()
interrupt()
evaluation()
benches()
if JIT:
    plans_and_caches()
shutil.rmtree(WORK)
print("%d checks in %.0f s%s" % (checks, time.monotonic() - started, "" if JIT else ", no JIT"))
