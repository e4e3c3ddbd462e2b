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
