"""gguf_file.py - writes a GGUF file of raw tensors, of any type number: for types
that the PyPI package cannot make."""
import struct

ALIGN = 32


def _string(s):
    return struct.pack("<Q", len(s)) + s.encode()


def _value(v):
    if isinstance(v, str):
        return struct.pack("<I", 8) + _string(v)
    if isinstance(v, list):
        return struct.pack(f"<IIQ{len(v)}i", 9, 5, len(v), *v)
    return struct.pack("<If", 6, v) if isinstance(v, float) else struct.pack("<II", 4, v)


def write(path, meta, tensors):
    """meta: name -> str, int, float or list of ints. tensors: name -> (type number, extents with
    the contiguous one first, bytes)."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(meta))
    head += b"".join(_string(name) + _value(v) for name, v in meta.items())
    data = b""
    for name, (kind, extents, raw) in tensors.items():
        head += _string(name) + struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents,
                                            kind, len(data))
        data += raw + bytes(-len(raw) % ALIGN)
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % ALIGN) + data)
