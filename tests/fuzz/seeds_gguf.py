#!/usr/bin/env python3
"""Small GGUF files for fuzz_gguf to start from: seeds_gguf.py FOLDER."""
import os
import struct
import sys

# id, values and bytes of a block
BLOCKS = [(0, 1, 4), (1, 1, 2), (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34),
          (10, 256, 84), (11, 256, 110), (12, 256, 144), (13, 256, 176), (14, 256, 210),
          (16, 256, 66), (17, 256, 74), (18, 256, 98), (19, 256, 50), (20, 32, 18), (21, 256, 110),
          (22, 256, 82), (23, 256, 136), (24, 1, 1), (25, 1, 2), (26, 1, 4), (27, 1, 8), (28, 1, 8),
          (29, 256, 56), (30, 1, 2), (34, 256, 54), (35, 256, 66), (39, 32, 17), (40, 64, 36),
          (41, 128, 18), (42, 64, 18)]
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


def text(s):
    return struct.pack("<Q", len(s.encode())) + s.encode()


def scalar(key, kind, value):
    return text(key) + struct.pack("<I", kind) + struct.pack(SCALARS[kind], value)


def string(key, value):
    return text(key) + struct.pack("<I", 8) + text(value)


def array(key, kind, values):
    body = b"".join(text(v) if kind == 8 else struct.pack(SCALARS[kind], v) for v in values)
    return text(key) + struct.pack("<IIQ", 9, kind, len(values)) + body


def model(meta, tensors, version=3, alignment=32):
    """tensors: (name, type id, shape, bytes)"""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(meta)) + b"".join(meta)
    at, data = 0, b""
    for name, kind, shape, size in tensors:
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", kind, at)
        body = bytes((7 * i + kind) & 255 for i in range(size))
        data += body + b"\0" * (-len(body) % alignment)
        at = len(data)
    return head + b"\0" * (-len(head) % alignment) + data


def seeds():
    arch = string("general.architecture", "test")
    yield "empty", model([], [])
    yield "scalars", model([arch] + [scalar(f"k{k}", k, 1) for k in SCALARS], [])
    yield "arrays", model([array(f"a{k}", k, [0, 1, 1]) for k in SCALARS] +
                          [array("words", 8, ["", "a", "caf\u00e9"])], [])
    yield "v2", model([arch], [("x", 0, [4, 2], 32)], version=2)
    yield "aligned", model([scalar("general.alignment", 4, 256)],
                           [("x", 0, [3], 12), ("y", 1, [5, 1, 2], 20)], alignment=256)
    yield "split", model([scalar("split.no", 2, 0), scalar("split.count", 2, 1),
                          scalar("split.tensors.count", 5, 1)], [("x", 0, [1], 4)])
    for kind, elems, size in BLOCKS:
        yield f"type{kind}", model([arch], [("w", kind, [elems, 2], 2 * size)])


for name, data in seeds():
    os.makedirs(sys.argv[1], exist_ok=True)
    with open(os.path.join(sys.argv[1], name + ".gguf"), "wb") as f:
        f.write(data)
