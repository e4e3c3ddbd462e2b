#!/usr/bin/env python3
"""The program on a machine with a card, when something is missing, full, broken or
new: one clear message and the best that can be done. And what --devices=auto, the
cache, --dump and --kernel-dir do. On the fake driver and NVRTC."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "app"))
import ref
import random_models

FAKES = os.path.join(os.path.abspath(ref.BUILD), "fakecuda")
if not os.path.exists(os.path.join(FAKES, "libcuda.so.1")):
    print("skipped: built without a C++ compiler")
    sys.exit(ref.SKIP)
tmp = tempfile.TemporaryDirectory()
MODEL = os.path.join(tmp.name, "llama.gguf")
random_models.write(MODEL, "llama")
TOKENS = os.path.join(tmp.name, "tokens")
with open(TOKENS, "w") as f:
    f.write(" ".join(map(str, random_models.IDS[:9])))


def expect(what, ok, detail=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what}{'' if ok else ': ' + detail}")
    if not ok:
        ref.failures.append(what)


def program(*args, libraries=FAKES, **environment):
    done = subprocess.run([os.path.join(ref.BUILD, "sextet"), *args], capture_output=True, text=True,
                          env=dict(os.environ, LD_LIBRARY_PATH=libraries, **environment))
    return done.returncode, done.stdout, done.stderr


def evaluate(*options, cache="cache", **more):
    """Status, messages and the bytes of the logits."""
    out = os.path.join(tmp.name, "logits")
    if os.path.exists(out):
        os.remove(out)
    status, _, said = program("eval", MODEL, f"--tokens={TOKENS}", f"--logits={out}",
                              f"--cache-dir={os.path.join(tmp.name, cache)}", *options, **more)
    if not os.path.exists(out):
        return status, said, b""
    with open(out, "rb") as f:
        return status, said, f.read()


def stats(cache="cache", *options):
    _, out, _ = program("cache", f"--cache-dir={os.path.join(tmp.name, cache)}", "--json", *options)
    return json.loads(out)


def works(what, words, *options, want=None, **more):
    status, said, logits = evaluate(*options, **more)
    expect(what, status == 0 and words in said and (want is None or logits == want), f"{status} {said}")
    return logits


def refused(what, words, *options, **more):
    status, said, _ = evaluate(*options, **more)
    lines = [line for line in said.splitlines() if line.startswith("sextet: ") and "warning" not in line]
    expect(f"{what}: {lines[0] if lines else 'nothing said'}",
           status == 1 and words in said and len(lines) == 1, f"{status} {said}")


def without_nvrtc(name="driver-only"):
    folder = os.path.join(tmp.name, name)
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(FAKES, "libcuda.so.1"), folder)
    return folder


NO_NVRTC = without_nvrtc()
CUDA_LIBRARIES = [f"/usr/local/{d}" for d in ("cuda/lib64", "cuda/lib", "cuda/targets/x86_64-linux/lib",
                                               "cuda-13/lib64", "cuda-12/lib64")]
REAL_NVRTC_12, REAL_NVRTC_13 = (any(os.path.exists(f"{d}/libnvrtc.so.{v}") for d in CUDA_LIBRARIES) for v in (12, 13))
REAL_NVRTC = REAL_NVRTC_12 or REAL_NVRTC_13

# ---- the usual day
cuda = works("cuda", "", "--devices=cuda")
held = stats()
expect(f"the cache holds {held['entries']} entries", held["entries"] > 3 and held["bytes"] > 1000)
works("from the cache", f"{held['entries'] - 1} of them cached", "--devices=cuda", "--verbose", want=cuda)
works("auto takes the card", "auto: cuda, 1 card", "--verbose", want=cuda)
works("auto without a driver takes the CPU", "no NVIDIA driver", "--verbose", libraries="")

# ---- devices
def named(devices, **environment):
    """What `sextet plan` makes of --devices: names and, where asked for, bytes free."""
    status, out, said = program("plan", MODEL, f"--devices={devices}", "--json", FAKE_CUDA_DEVICES="2", **environment)
    return [d["name"] for d in json.loads(out)["devices"]] if status == 0 else said


for devices, names in (("cuda", ["cuda:0", "cuda:1"]), ("cuda:1", ["cuda:1"]), ("cuda:0,1", ["cuda:0", "cuda:1"]),
                       ("cuda:0*3", ["cuda:0.0", "cuda:0.1", "cuda:0.2"]),
                       ("cuda:1*2@8MiB,0@1GiB", ["cuda:1.0", "cuda:1.1", "cuda:0"]),
                       ("cuda:0@9MiB,cuda:0*2", ["cuda:0", "cuda:0.1", "cuda:0.2"])):
    expect(f"--devices={devices}", named(devices) == names, str(named(devices)))
for devices in ("cuda:", "cuda:x", "cuda:0*0", "cuda:0@0", "cuda:0,host", "host,cuda", "host,1", "cuda*99"):
    expect(f"no --devices={devices}", "--devices=" in named(devices) or "SIZE" in named(devices), str(named(devices)))
single = works("token by token, recorded", "", "--devices=cuda", "--batch=1")
works("not recorded", "", "--devices=cuda", "--batch=1", "--graphs=off", "--early=off", want=single)
chunks = works("in chunks of 4", "", "--devices=cuda", "--batch=4")
works("over three parts of a card", "", "--devices=cuda:0*3", "--batch=4", "--threads=3", want=chunks)
works("all parts at once for one thread", "", "--devices=cuda:0*3", "--batch=4", "--threads=1", want=chunks)
works("over two cards", "", "--devices=cuda", "--batch=4", "--threads=2", FAKE_CUDA_DEVICES="2", want=chunks)
status, out, said = program("bench", MODEL, "--devices=cuda", "--prompt-tokens=8", "--max-tokens=3", "--repeat=1",
                            "--profile", "--json", f"--cache-dir={os.path.join(tmp.name, 'cache')}")
bench = json.loads(out) if status == 0 else {}
expect("bench", status == 0 and bench["read_bytes_per_s"] > 0 and bench["cards"][0]["used_bytes"] > 0 and
       all(k["seconds"] > 0 for m in bench["measurements"] for k in m["kernels"]), f"{status} {said}")

# ---- the machine
refused("no driver", "no NVIDIA driver", "--devices=cuda", libraries="")
refused("no card", "finds no card", "--devices=cuda", FAKE_CUDA_DEVICES="0")
refused("no such card", "this machine has 1 card", "--devices=cuda:3")
refused("an old driver", "too old", "--devices=cuda", FAKE_CUDA_DRIVER_VERSION="11040")
works("auto with an old driver", "too old", "--verbose", FAKE_CUDA_DRIVER_VERSION="11040")
refused("a full card", "End what else runs there", "--devices=cuda:0@1GiB", FAKE_CUDA_MEMORY="200K")
refused("memory that another takes meanwhile", "cuMemAlloc", "--devices=cuda", FAKE_CUDA_FAIL="cuMemAlloc:2=2")
refused("a driver that does not start", "cuInit", "--devices=cuda", FAKE_CUDA_FAIL="cuInit:1=999")
refused("an old card", "compute capability 7.5", "--devices=cuda", FAKE_CUDA_ARCH="75")
works("auto with an old card", "compute capability 7.5", "--verbose", FAKE_CUDA_ARCH="75")
works("a newer card", "newer than NVRTC", "--devices=cuda", FAKE_CUDA_ARCH="130", want=cuda)
refused("a launch that fails", "kernel", "--devices=cuda", FAKE_CUDA_FAIL="cuLaunchKernelEx:5+=700")
refused("a step that fails", "cuStreamSynchronize", "--devices=cuda", FAKE_CUDA_FAIL="cuStreamSynchronize:4+=719")

# ---- every function of the driver and of NVRTC fails, from its first, second and fifth call on: the same
# logits or one message, nothing else
def exported(table):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "runtime", table)) as f:
        return re.findall(r"^(?:CUDA|NVRTC)_SYM\((\w+?)(?:_v2)?,", f.read(), re.M)


def outcome(name, n, code):
    status, said, logits = evaluate("--devices=cuda:0*2", "--batch=1", "--threads=2",
                                    cache="none" if name.startswith("nvrtc") else "cache",
                                    FAKE_CUDA_FAIL=f"{name}:{n}+={code}")
    messages = [line for line in said.splitlines() if line.startswith("sextet: ") and "warning" not in line]
    shutil.rmtree(os.path.join(tmp.name, "none"), ignore_errors=True)
    good = status == 0 and logits == single or status == 1 and len(messages) == 1
    expect(f"{name} fails with {code} from call {n} on: {messages[0][8:90] if messages else 'goes on'}", good,
           f"{status} {said}")


for name in exported("cuda_syms.def"):
    for n, code in ((1, 719), (2, 2), (5, 700)):
        outcome(name, n, code)
QUESTIONS = ("nvrtcVersion", "nvrtcGetNumSupportedArchs", "nvrtcGetSupportedArchs")
for name in exported("nvrtc_syms.def"):
    # what Destroy does not give back is its own; a library that answers no question is passed over
    if name != "nvrtcDestroyProgram" and not (REAL_NVRTC and name in QUESTIONS):
        outcome(name, 1, 1)
for n in (2, 5, 9):  # while weights are loaded, or right behind
    outcome("nvrtcCompileProgram", n, 6)

# ---- NVRTC
def with_broken_nvrtc():
    """For a driver of CUDA 12 the first choice is a library that is none, the second the fake."""
    folder = without_nvrtc("broken")
    shutil.copy(os.path.join(FAKES, "libnvrtc.so.13"), folder)
    shutil.copy(os.path.join(FAKES, "libcuda.so.1"), os.path.join(folder, "libnvrtc.so.12"))
    return folder


def with_two_names():
    """The fake under both names: one library, which counts its calls on when it is opened again."""
    folder = without_nvrtc("names")
    shutil.copy(os.path.join(FAKES, "libnvrtc.so.13"), folder)
    os.symlink("libnvrtc.so.13", os.path.join(folder, "libnvrtc.so.12"))
    return folder


NAMES = with_two_names()
for name in QUESTIONS if not REAL_NVRTC_12 else ():
    works(f"an NVRTC that does not answer {name}", "libnvrtc.so.12 is of no use", "--devices=cuda", cache="none",
          want=cuda, libraries=NAMES, FAKE_CUDA_DRIVER_VERSION="12040", FAKE_CUDA_FAIL=f"{name}:1=1")
    shutil.rmtree(os.path.join(tmp.name, "none"))
works("an NVRTC that is none", "libnvrtc.so.12 is of no use", "--devices=cuda", cache="none", want=cuda,
      libraries=with_broken_nvrtc(), FAKE_CUDA_DRIVER_VERSION="12040")
refused("a driver too old for NVRTC's code", "older than NVRTC", "--devices=cuda",
        FAKE_CUDA_DRIVER_VERSION="12040", FAKE_CUDA_FAIL="cuModuleLoadDataEx:1+=200")
if not REAL_NVRTC:
    works("no NVRTC, but all is cached", "", "--devices=cuda", libraries=NO_NVRTC, want=cuda)
    refused("no NVRTC", "install libnvrtc", "--devices=cuda", libraries=NO_NVRTC, cache="none")
    works("auto without NVRTC takes the CPU", "NVRTC", "--verbose", libraries=NO_NVRTC)

# ---- the cache
folder = os.path.join(tmp.name, "cache")
for name in os.listdir(folder):
    with open(os.path.join(folder, name), "r+b") as f:
        f.seek(100)
        f.write(b"damage")
works("a damaged cache", "is damaged: compiling again", "--devices=cuda", want=cuda)


def entries():
    return {name: os.stat(os.path.join(folder, name)).st_ino for name in os.listdir(folder)}


before = entries()
works("a cached unit that the driver refuses", "compiling again", "--devices=cuda",
      FAKE_CUDA_FAIL="cuModuleLoadDataEx:1=200", want=cuda)
after = entries()
expect("it is replaced", before.keys() == after.keys() and sum(before[k] != after[k] for k in after) == 1)
os.chmod(folder, 0o777)
works("a cache that everybody may write to", "everybody may write", "--devices=cuda", "--fuse=none")
os.chmod(folder, 0o755)
expect("--clear", stats("cache", "--clear")["entries"] == 0 and stats()["entries"] == 0)

# ---- files
dump, kernels = (os.path.join(tmp.name, n) for n in ("dump", "kernels"))
works("--dump", "", "--devices=cuda", f"--dump={dump}", want=cuda)
units = [n for n in os.listdir(dump) if n.endswith(".cu")]
first = [open(os.path.join(dump, n)).readline() for n in units]
expect(f"{len(units)} units with their commands", len(units) > 3 and all(x.startswith("// nvcc ") for x in first))
if shutil.which("nvcc"):
    command = first[0][3:].split()
    done = subprocess.run(command, cwd=dump, capture_output=True, text=True)
    expect(f"{units[0]} compiles alone", done.returncode == 0, done.stderr)
os.makedirs(kernels)
with open(os.path.join(dump, "common.cuh")) as f, open(os.path.join(kernels, "common.cuh"), "w") as g:
    g.write(f.read() + "this is no program\n")
refused("an edited kernel file", "common.cuh", "--devices=cuda", f"--kernel-dir={kernels}")
refused("a folder without kernel files", "none of the kernel files", "--devices=cuda", f"--kernel-dir={tmp.name}")
ref.finish()
