#!/usr/bin/env python3
"""run.py [--check] [--only=N[-M]] [BUILD]: are the tests awake?

Plants each fault of faults.txt in a copy of the tracked files (BUILD/source),
builds the one test named beside it and expects that test to fail; before that
every named test must pass. --check only looks whether each fault still applies.
"""
import collections
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIMIT = 600  # seconds for one run of a test: a fault may make it hang

Fault = collections.namedtuple("Fault", "line file test old new")


def read_faults():
    faults = []
    with open(os.path.join(HERE, "faults.txt")) as text:
        for number, line in enumerate(text, 1):
            if line[0] == "@":
                file, test = line[1:].strip().split(": ")
                faults.append(Fault(number, file, test.split(), [], []))
            elif line[0] in "-+":
                (faults[-1].old if line[0] == "-" else faults[-1].new).append(line[1:])
            elif line.strip() and line[0] != "#":
                sys.exit(f"faults.txt:{number}: expected @, -, + or #")
    return faults


def with_fault(fault, text):
    """The file's text with the fault in it, or None if it does not apply."""
    old, new = "".join(fault.old), "".join(fault.new)
    at = ("\n" + text).count("\n" + old)
    return text.replace(old, new, 1) if old and old != new and at == text.count(old) == 1 else None


def applies(fault):
    with open(os.path.join(ROOT, fault.file)) as f:
        good = with_fault(fault, f.read()) is not None
    if not good:
        print(f"faults.txt:{fault.line}: does not occur once in {fault.file}")
    return good


class Copy:
    """The source tree and its build, without sanitizers: they are slow."""

    def __init__(self, build):
        self.source, self.build = (os.path.join(build, d) for d in ("source", "build"))
        files = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
        files = files.strip("\0").split("\0")
        for name in files:
            with open(os.path.join(ROOT, name), "rb") as f:
                self.put(name, f.read())
            shutil.copymode(os.path.join(ROOT, name), os.path.join(self.source, name))
        self.drop_others(set(files))
        shared = os.path.join(os.path.dirname(ROOT), "shared")
        if os.path.isdir(shared) and not os.path.lexists(os.path.join(build, "shared")):
            os.symlink(shared, os.path.join(build, "shared"))
        subprocess.check_call(["cmake", "-G", "Ninja", "-S", self.source, "-B", self.build],
                              stdout=subprocess.DEVNULL)

    def drop_others(self, files):
        """What an earlier run copied and is gone since: CMake takes all it sees."""
        for folder, _, names in os.walk(self.source):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.relpath(path, self.source) not in files:
                    os.remove(path)

    def put(self, name, data):
        """Writes what differs, so that only that is built again."""
        path = os.path.join(self.source, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path):
            with open(path, "rb") as f:
                if f.read() == data:
                    return
        with open(path, "wb") as f:
            f.write(data)

    def make(self, test):
        targets = ["opt"] if test == "passes" else [test]
        if test.startswith("gen_"):
            targets.append("sextet-llvm")
        done = subprocess.run(["ninja", "-C", self.build, "--quiet", *targets],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(done.stdout)

    def passes(self, test):
        """Builds and runs a test; its first failed assertion ends it."""
        self.make(test[0])
        if test[0] == "passes":
            command = [os.path.join(self.source, "tests/compiler/test_passes.sh"), self.build]
        else:
            command = [os.path.join(self.build, test[0]), "-j1", *(f"--filter={f}" for f in test[1:])]
        command = ["timeout", str(LIMIT), *command]
        run = subprocess.Popen(command, cwd=self.source, text=True, errors="replace",
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        ran = failed = False
        for line in run.stdout:
            failed = failed or "FAIL" in line or "Assertion" in line and "[----]" in line
            ran = ran or test[0] == "passes" or "Tested: " in line and "Tested: 0" not in line
            if failed:
                run.terminate()
        if run.wait() == 0 and not failed and not ran and test[0] != "passes":
            sys.exit(f"{' '.join(test)}: no such test")
        return run.returncode == 0 and not failed


def survives(copy, fault):
    with open(os.path.join(copy.source, fault.file)) as f:  # ROOT may change meanwhile
        text = f.read()
    copy.put(fault.file, with_fault(fault, text).encode())
    alive = copy.passes(fault.test)
    copy.put(fault.file, text.encode())
    print(f"{'SURVIVED' if alive else 'caught  '} faults.txt:{fault.line} {fault.file}, {' '.join(fault.test)}",
          flush=True)
    return alive


def main():
    options = [a for a in sys.argv[1:] if a.startswith("--")]
    build = ([a for a in sys.argv[1:] if not a.startswith("--")] + [os.path.join(ROOT, "build", "mutate")])[0]
    faults = read_faults()
    for o in options:
        if o.startswith("--only="):
            first, _, last = o[7:].partition("-")
            faults = faults[int(first) - 1:int(last or first)]
        elif o != "--check":
            sys.exit(__doc__)
    bad = sum(not applies(f) for f in faults)
    if "--check" in options or bad:
        print(f"{len(faults) - bad} of {len(faults)} faults apply")
        return bad > 0
    copy = Copy(os.path.abspath(build))
    for test in sorted({tuple(f.test) for f in faults}):
        if not copy.passes(test):
            sys.exit(f"{' '.join(test)} fails without a fault")
    survivors = sum(survives(copy, f) for f in faults)
    print(f"{len(faults) - survivors} of {len(faults)} faults caught")
    return survivors > 0


sys.exit(main())
