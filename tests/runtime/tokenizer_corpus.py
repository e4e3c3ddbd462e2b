"""Text that is hard on tokenizers, the same on every run.

documents(bytes, avoid) gives a list of strings; no code point of `avoid` is in
any of them.  Sources: what unicodedata knows, and files of this machine.
"""
import glob
import random
import sysconfig
import unicodedata

BLANKS = [" ", "  ", "\t", "\n", "\r", "\r\n", "\v", "\f", "\x85", "\xa0",
          "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
          "\u180e", "\u200b", "\ufeff"]
CONTRACTIONS = ["'s", "'S", "'t", "'T", "'re", "'RE", "'Re", "'ve", "'VE",
                "'m", "'M", "'ll", "'LL", "'lL", "'d", "'D", "'\u017f", "\u2019s",
                "'l", "'r", "'v", "'x", "''s", "'sS", "'\u212a"]
EMOJI = ["\U0001F600", "\U0001F468\u200D\U0001F469\u200D\U0001F467",
         "\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA", "1\uFE0F\u20E3",
         "\u2764\uFE0F\u200D\U0001F525", "\U0001F3F4\U000E0067\U000E0062\U000E007F",
         "\u00A9", "\u2603", "\U0001F9D1\u200D\U0001F4BB"]
WORDS = ("the quick brown fox jumps over thirteen lazy dogs because nobody "
         "told them about it isn't that so don't you'll we've I'm").split()
ADDED = ["<think>", "</think>", "<tool_call>", "</tool_call>",
         "<think", "</think", "<tool_call", "<|im_start|>", "<|im_end|>", "<|",
         "|>", "<", ">"]

# Letters, marks and numbers of Unicode 15.0, 15.1 and 16.0: not known to PCRE2
# 10.42 (14.0), known to Oniguruma in tokenizers 0.23 (16.0).
CUT_EXCEPTIONS = """
    897 CF3 ECE 1C89-1C8A A7CB-A7CD A7DA-A7DC 105C0-105F3 10D40-10D65 10D69-10D6D
    10D6F-10D85 10EC2-10EC4 10EFC-10EFF 1123F-11241 11380-11389 1138B 1138E 11390-113B5
    113B7-113C0 113C2 113C5 113C7-113CA 113CC-113D3 113E1-113E2 116D0-116E3 11BC0-11BE0
    11BF0-11BF9 11F00-11F10 11F12-11F3A 11F3E-11F42 11F50-11F5A 1342F 13440-13455
    13460-143FA 16100-16139 16D40-16D6C 16D70-16D79 18CFF 1B132 1B155 1CCF0-1CCF9
    1D2C0-1D2D3 1DF25-1DF2A 1E030-1E06D 1E08F 1E4D0-1E4F9 1E5D0-1E5FA 2B739 2EBF0-2EE5D
    31350-323AF
""".split()
# Marks whose combining class (and U+11938, whose decomposition) came with
# Unicode 10.0 to 15.0: known to utf8proc 2.8 (15.0), not to tokenizers 0.23 (9.0).
NFC_EXCEPTIONS = """
    7FD 898-89F 8CA-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1ACE 1DF6-1DFA A82C 10D24-10D27
    10EAB-10EAC 10EFD-10EFF 10F46-10F50 10F82-10F85 11070 1133B 1145E 11839-1183A 11938
    1193D-1193E 11943 119E0 11A34 11A47 11A99 11D42 11D44-11D45 11D97 11F41-11F42
    16FF0-16FF1 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF
""".split()


def expand(listed):
    """The characters of a list of spans such as "897" or "1C89-1C8A"."""
    out = set()
    for span in listed:
        first, _, last = span.partition("-")
        out |= set(map(chr, range(int(first, 16), int(last or first, 16) + 1)))
    return out


def by_category():
    """Assigned code points: by first letter of the category, and by script as
    far as the first word of the name tells it."""
    kinds, scripts = {}, {}
    for cp in range(0x110000):
        c = chr(cp)
        category = unicodedata.category(c)
        if category in ("Cn", "Cs", "Co"):
            continue
        kinds.setdefault(category, []).append(c)
        if category[0] in "LM":
            script = unicodedata.name(c, "?").split()[0]
            scripts.setdefault(script, []).append(c)
    return kinds, [s for s in scripts.values() if len(s) >= 8]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.kinds, self.scripts = by_category()
        self.digits = self.kinds["Nd"] + self.kinds["Nl"] + self.kinds["No"]
        self.marks = self.kinds["Mn"] + self.kinds["Mc"] + self.kinds["Me"]
        self.any = [c for k in self.kinds.values() for c in k]

    def word(self, letters):
        return "".join(self.r.choices(letters, k=self.r.randint(1, 9)))

    def prose(self):
        letters = self.r.choice(self.scripts)
        return " ".join(self.word(letters) for _ in range(12)) + self.r.choice(".!?\u3002\n")

    def english(self):
        return " ".join(self.r.choice(WORDS) + self.r.choice(["", "", ",", *CONTRACTIONS[:3]])
                        for _ in range(15)) + self.r.choice([". ", "\n", "\r\n\r\n"])

    def blanks(self):
        return "".join(self.r.choice(BLANKS) * self.r.choice([1, 1, 2, 7])
                       for _ in range(6)) + self.r.choice(["x", "1", "!", ""])

    def contraction(self):
        return self.r.choice(WORDS + ["\u00e9t\u00e9", "1", "!", " "]) + self.r.choice(CONTRACTIONS) \
            + self.r.choice(["", " ", "a", "1", "!"])

    def emoji(self):
        return self.r.choice(["", " ", "a"]) + "".join(self.r.choices(EMOJI, k=3))

    def combining(self):
        base = self.r.choice(["e", "q", "\u00fc", "\u0915", "\u4e2d", "1", " ", "\uac00", "\u1112\u1161"])
        return base + "".join(self.r.choices(self.marks, k=self.r.randint(1, 6)))

    def number(self):
        if self.r.random() < 0.4:
            return str(self.r.getrandbits(self.r.randint(1, 60))) + self.r.choice(["", ".5", "%", " "])
        return "".join(self.r.choices(self.digits, k=self.r.randint(1, 6)))

    def anything(self):
        return "".join(self.r.choices(self.any, k=8))

    def code_point(self):
        cp = self.r.randrange(0x110000 - 0x800)
        return chr(cp + 0x800 if cp >= 0xD800 else cp) * self.r.choice([1, 1, 3])

    def added(self):
        return self.r.choice(ADDED) + self.r.choice(["", " ", "a", "\n", "\u0301"])

    def run(self):
        return self.r.choice(self.any) * self.r.randint(10, 200)

    def document(self, size):
        kinds = [self.prose] * 6 + [self.english] * 4 + [self.blanks] * 2 + [
            self.contraction, self.emoji, self.combining, self.number,
            self.anything, self.code_point, self.added]
        out, n = [], 0
        while n < size:
            s = self.run() if self.r.random() < 0.01 else self.r.choice(kinds)()
            out.append(s)
            n += len(s.encode())
        return "".join(out)


def machine_files(limit):
    """Python's own sources and this machine's documents, cut to 64 KiB."""
    names = sorted(glob.glob(sysconfig.get_path("stdlib") + "/*.py"))
    names += sorted(glob.glob("/usr/share/doc/*/copyright"))[::7]
    names += sorted(glob.glob("/usr/include/*.h"))
    total = 0
    random.Random(3).shuffle(names)
    for name in names:
        if total >= limit:
            return
        with open(name, encoding="utf-8", errors="replace", newline="") as f:
            text = f.read(65536)
        total += len(text.encode())
        yield text


def documents(size, avoid=frozenset(), seed=1):
    maker = Maker(seed)
    docs = list(machine_files(size * 2 // 5))
    total = sum(len(d.encode()) for d in docs)
    drop = {ord(c): None for c in avoid}
    while total < size:
        doc = maker.document(20000).translate(drop)
        docs.append(doc)
        total += len(doc.encode())
    return docs
