#!/usr/bin/env python3
"""JSON beside Python's: random values through the reader and tojson in every
style, byte for byte; texts that are no JSON refused; odd ones read alike."""
import json
import os
import random
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from ours import Ours  # noqa: E402

COUNT = 4000
STYLES = [
    ("x|tojson", {}),
    ("x|tojson(ensure_ascii=true)", {"ensure_ascii": True}),
    ("x|tojson(indent=4)", {"indent": 4}),
    ("x|tojson(indent=0)", {"indent": 0}),
    ("x|tojson(indent='\\t', sort_keys=true)", {"indent": "\t", "sort_keys": True}),
    ("x|tojson(separators=(',', ':'))", {"separators": (",", ":")}),
    ("x|tojson(false, 1, ('; ', '='), true)", {"indent": 1, "separators": ("; ", "="), "sort_keys": True}),
]
CHARS = "ab \"\\/\b\f\n\r\t\x00\x1f\x7f\u0080é漢\u2028\ufeff\uffff🙂\U0010ffff'<>&"


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def text(self):
        return "".join(self.r.choice(CHARS) for _ in range(self.r.randrange(8)))

    def number(self):
        r = self.r
        return r.choice([lambda: r.randrange(-100, 100), lambda: r.randrange(-2**70, 2**70),
                         lambda: r.uniform(-1, 1) * 10.0 ** r.randrange(-320, 309),
                         lambda: float(r.randrange(-9, 9)), lambda: r.random(), lambda: round(r.uniform(-99, 99), 2),
                         lambda: r.choice([0.0, -0.0, 1e16, 1e15, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308,
                                           2**63, 2**63 - 1, -2**63, -2**63 - 1, 123456789012345680.0])])()

    def value(self, depth=4):
        r = self.r
        kind = r.randrange(9 if depth else 5)
        if kind < 2:
            return self.text()
        if kind < 4:
            return self.number()
        if kind == 4:
            return r.choice([True, False, None])
        if kind < 7:
            return [self.value(depth - 1) for _ in range(r.randrange(4))]
        return {self.text(): self.value(depth - 1) for _ in range(r.randrange(12 if r.random() < .1 else 4))}


ours, bad, n = Ours(sys.argv[1]), 0, 0
maker = Maker(7)
values = [maker.value() for _ in range(COUNT)]
for template, style in STYLES:
    for v in values[:COUNT if not style else COUNT // 4]:
        want = json.dumps(v, **{"ensure_ascii": False, **style})
        got = ours.render("{{ %s }}" % template, {"x": v})
        n += 1
        if got != ("o", want):
            bad += 1
            print(template, repr(v)[:200], "\n  want", want[:200], "\n  got ", got[0], got[1][:200])
            if bad > 10:
                sys.exit(1)


GOOD = ['"\\ud83d\\ude00"', "1e400", "-1e400", "-0", "-0.0", "1E+2", "0.1e-2", "[]", "{}", '{"a":1,"b":2,"a":3}',
        ' [ 1 , 2 ] ', '"\\u0000"', "123456789012345678901234567890", '"/\\/"', "[[[[[]]]]]", "true"]
BAD = ["", " ", "[1,]", "[,1]", "[1 2]", "{a:1}", "{'a':1}", '{"a"}', '{"a":}', '{"a":1,}', "01", "+1", "1.", ".5", "1e",
       "1e+", "-", "--1", "0x1", "NaN", "Infinity", "tru", "nul", "True", '"', '"\\x"', '"\\u12"', '"\\u12g4"', '"\n"',
       '"\t"', "[1] 2", "[", "{", "]", "}", "[1}", '{"a":1]', "//x\n1", "1 /* */", "\ufeff1", "[1\x00]", "'a'"]


def read(text):
    """The text inside of a context, past Python's writer."""
    ours.last = None
    t, c = b"{{ x|tojson }}", ('{"x": %s}' % text).encode("utf8", "surrogatepass")
    ours.p.stdin.write(b"%d %d\n%s%s" % (len(t), len(c), t, c))
    ours.p.stdin.flush()
    kind, size = ours.p.stdout.readline().split()
    return kind.decode(), ours.p.stdout.read(int(size)).decode()


for text in GOOD:
    n += 1
    want = json.dumps(json.loads(text), ensure_ascii=False)
    if read(text) != ("o", want):
        bad += 1
        print("good:", repr(text), "wanted", want, "got", read(text))
for text in BAD + ["\ud800"]:
    n += 1
    if read(text)[0] != "e":
        bad += 1
        print("bad:", repr(text), "got", read(text))
for escape in ["d800", "dc00", "dc00\\ud800", "d800\\u0041", "d83dx"]:
    n += 1
    kind, out = read('"\\u%s"' % escape)
    want = json.loads('"\\u%s"' % escape)
    want = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in want)
    if kind != "o" or json.loads(out) != want:
        bad += 1
        print("half a pair:", escape, kind, out)
print(n, "values and texts,", bad, "differ")
sys.exit(bad > 0)
