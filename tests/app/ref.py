"""ref.py - what the reference tests share: the demo files, their stored
numbers, and `sextet eval` as a function."""
import os
import subprocess
import sys
import tempfile

SKIP = 77
try:
    import numpy as np
except ImportError:
    print("skipped: needs numpy")
    sys.exit(SKIP)

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
DEMO = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "data", "demo")
VOCAB, WIDTH, LAYERS = 8192, 256, 8
_cache = tempfile.TemporaryDirectory()
# Sanitized builds: gcc 12's leak checker now and then crashes on the thread
# storage of libraries that were opened late (LLVM); it finds leaks without it.
os.environ.setdefault("LSAN_OPTIONS", "use_tls=0")
failures = []


def need_demo():
    if not os.path.isdir(DEMO):
        print("skipped: the reference data is not here")
        sys.exit(SKIP)


def model(variant):
    return os.path.join(DEMO, f"demo-{variant}.gguf")


def refs(variant):
    return np.load(os.path.join(DEMO, "refs", f"demo-{variant}.npz"))


def sextet(*args):
    """Runs the program; a failure is shown and ends the test."""
    cmd = [os.path.join(BUILD, "sextet"), *args]
    done = subprocess.run(cmd, capture_output=True, text=True)
    if done.returncode:
        print(" ".join(cmd), done.stdout, done.stderr, sep="\n")
        sys.exit(1)
    return done.stdout


def refused(words, *args):
    """The program must fail with a message that holds `words`."""
    done = subprocess.run([os.path.join(BUILD, "sextet"), *args], capture_output=True, text=True)
    ok = done.returncode == 1 and words in done.stderr
    print(f"{'ok  ' if ok else 'FAIL'} refused: {done.stderr.strip() or done.returncode}")
    if not ok:
        failures.append(words)


def evaluate(path, ids, *options, hidden=False, positions="all"):
    """Logits [positions, vocabulary] and, if asked, hidden [layers, positions, width]
    (of an entry without probes its result `hidden`, as one layer)."""
    with tempfile.TemporaryDirectory() as tmp:
        tokens, logits, layers = (os.path.join(tmp, n) for n in ("t", "l", "h"))
        with open(tokens, "w") as f:
            f.write(" ".join(map(str, ids)))
        args = ["eval", path, f"--tokens={tokens}", f"--logits={logits}", "--quiet",
                f"--positions={positions}", f"--cache-dir={_cache.name}", *options]
        if hidden:
            args.append(f"--dump-hidden={layers}")
        sextet(*args)
        out = np.fromfile(logits, "<f4").reshape(-1, VOCAB)
        if not hidden:
            return out
        return out, np.fromfile(layers, "<f4").reshape(-1, len(ids), WIDTH)


def nmse(got, want):
    got, want = got.astype(np.float64), want.astype(np.float64)
    return ((got - want) ** 2).sum() / (want ** 2).sum()


def log_softmax(logits):
    x = logits.astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def nll(logits, ids):
    """Negative log-likelihood of each next token, in nats."""
    p = log_softmax(logits[:len(ids) - 1])
    return -p[np.arange(len(ids) - 1), ids[1:]]


def kl(reference, got):
    """KL(reference || got) by position, in nats."""
    p, q = log_softmax(reference), log_softmax(got)
    return (np.exp(p) * (p - q)).sum(-1)


def flips(reference, got):
    """Gaps (nats) in the reference at positions whose likeliest token differs."""
    p = np.sort(log_softmax(reference), -1)
    gap = p[:, -1] - p[:, -2]
    return gap[reference.argmax(-1) != got.argmax(-1)]


def check(what, value, limit):
    ok = value <= limit  # False for NaN
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {value:.3g} (limit {limit:.3g})")
    if not ok:
        failures.append(what)


def equal(what, got, want):
    wrong = int((np.asarray(got) != np.asarray(want)).sum())
    check(f"{what}, positions that differ", wrong, 0)


def finish():
    sys.exit(1 if failures else 0)
