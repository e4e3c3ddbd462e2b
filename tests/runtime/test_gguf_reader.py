#!/usr/bin/env python3
"""`sextet inspect` and `check` against the PyPI package gguf on real files.

Every metadata value, every tensor's name, type, shape and place; and for one
tensor of each type in each file the decoded values, bit for bit."""
import json
import math
import os
import subprocess
import sys
import tempfile

build = sys.argv[1]
sextet = os.path.join(build, "sextet")
root = os.path.dirname(os.path.abspath(__file__)) + "/../.."
demo = os.path.join(root, "../shared/data/demo")
try:
    import numpy as np
    from gguf import GGUFReader, GGUFValueType
    from gguf.quants import dequantize
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)
if not os.path.isdir(demo) or not os.path.exists(sextet):
    print("skipped: no demo models, or the program is not built")
    sys.exit(77)


def field_value(field):
    kind = field.types[0]
    if kind == GGUFValueType.ARRAY:
        if field.types[-1] == GGUFValueType.STRING:
            return [bytes(field.parts[i]).decode() for i in field.data]
        return [field.parts[i].tolist()[0] for i in field.data]
    part = field.parts[field.data[0]]
    return bytes(part).decode() if kind == GGUFValueType.STRING else part.tolist()[0]


def check_meta(reader, got, path):
    want = {k: field_value(f) for k, f in reader.fields.items() if not k.startswith("GGUF.")}
    assert got.keys() == want.keys(), (path, got.keys() ^ want.keys())
    for key, value in want.items():
        same = got[key] == value and type(got[key]) is type(value)
        same |= isinstance(value, float) and float(got[key]) == value
        assert same, (path, key)


def check_tensors(reader, got, path):
    assert len(got) == len(reader.tensors), path
    for mine, ref in zip(got, reader.tensors):
        assert mine["name"] == ref.name, (path, mine, ref.name)
        assert mine["type"] == ref.tensor_type.name.lower(), (path, mine)
        assert mine["shape"] == [int(n) for n in ref.shape], (path, mine)
        assert mine["bytes"] == int(ref.n_bytes), (path, mine)
        assert mine["offset"] == int(ref.data_offset), (path, mine)


def run(*args):
    done = subprocess.run([sextet, *args], capture_output=True, text=True)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout


def check_values(path, ref, out):
    try:
        want = dequantize(ref.data, ref.tensor_type).astype(np.float32).ravel()
    except NotImplementedError:
        return 0
    stats = json.loads(run("inspect", "--json", "--f32=" + out, path, ref.name))
    got = np.fromfile(out, dtype="<f4")
    assert got.tobytes() == want.tobytes(), (path, ref.name, ref.tensor_type)
    assert stats["values"] == want.size and stats["nan"] == stats["inf"] == 0
    assert stats["min"] == want.min() and stats["max"] == want.max()
    assert stats["zeros"] == int((want == 0).sum())
    wide = want.astype(np.float64)
    assert math.isclose(stats["mean"], wide.mean(), rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(stats["rms"], math.sqrt((wide * wide).mean()), rel_tol=1e-9)
    return 1


def check_file(path, out):
    reader = GGUFReader(path)
    info = json.loads(run("inspect", "--json", path))
    check_meta(reader, info["metadata"], path)
    check_tensors(reader, info["tensors"], path)
    assert info["files"] == [{"path": path, "bytes": os.path.getsize(path)}]
    assert info["bytes"] == sum(int(t.n_bytes) for t in reader.tensors)
    assert info["values"] == sum(int(t.n_elements) for t in reader.tensors)
    seen = {t.tensor_type: t for t in reader.tensors}
    compared = sum(check_values(path, t, out) for t in seen.values())
    assert json.loads(run("check", "--json", path))["sound"] is True
    assert "types" in run("inspect", path)
    return {t.name for t in seen}, compared


def main():
    names, values = set(), 0
    files = sorted(f for f in os.listdir(demo) if f.endswith(".gguf"))
    with tempfile.TemporaryDirectory() as folder:
        for name in files:
            types, n = check_file(os.path.join(demo, name), os.path.join(folder, "values"))
            names |= types
            values += n
    assert files and values > 20, (files, values)
    print(f"{len(files)} files, {len(names)} types, {values} tensors' values equal")


main()
