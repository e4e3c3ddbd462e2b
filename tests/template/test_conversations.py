#!/usr/bin/env python3
"""Every template of the shared data x a matrix of conversations, beside jinja2.

The matrix: shapes of a conversation (system, turns, tool loops, reasoning,
odd orders) x spellings of its parts (text, Unicode, white space, empty, typed
parts, arguments as object or string) x what the caller asks for.
"""
import collections
import glob
import itertools
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
TEMPLATES = sorted(glob.glob(os.path.join(HERE, "../../../shared/data/templates/*.jinja")))
if not TEMPLATES:
    print("skipped: no templates")
    sys.exit(77)
try:
    from theirs import Theirs
except ImportError as e:
    print("skipped:", e)
    sys.exit(77)
from ours import Ours, without_line  # noqa: E402

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "Weather <b> & 'more' \"now\"",
        "parameters": {"type": "object", "properties": {
            "city": {"type": "string", "description": "ville é\nsecond line"},
            "days": {"type": "integer", "default": 3, "minimum": 1, "maximum": 1e2},
            "units": {"type": ["string", "null"], "enum": ["C", "F", None]},
            "where": {"type": "object", "properties": {"lat": {"type": "number"},
                                                       "tags": {"type": "array", "items": {"type": "string"}}},
                      "required": ["lat"], "additionalProperties": False}},
            "required": ["city"]}}},
    {"type": "function", "function": {"name": "noop", "description": "",
                                      "parameters": {"type": "object", "properties": {}}}},
]
TEXTS = {
    "plain": ("Be terse.", "What is the weather?", "It is sunny."),
    "space": ("  Be terse.\n\n", "\n  What?\t \n", " It\u00a0is.\n "),
    "unicode": ("Réponds 漢字 🙂", "Çà va? \u2028 Ω ß İ", "Łódź — \u200b𝕏"),
    "markup": ("<|im_end|> {{ x }}", "<tool_response>\nhi\n</tool_response>", "a </think> b <think>"),
    "empty": ("", "", ""),
}
ARGUMENTS = {
    "object": {"city": "Łódź \"q\"", "days": 2, "deep": {"a": [1, 2.5, True, None], "b": {}},
               "flag": True, "nil": None, "f": 1.0, "g": 1e-07, "big": 12345678901234567890},
    "string": '{"city": "Paris", "days": 2}',
    "none": {},
    "odd": '{"city": ',
}
ASKED = {
    "default": {"add_generation_prompt": True},
    "closed": {"add_generation_prompt": False},
    "think": {"add_generation_prompt": True, "enable_thinking": True, "thinking": True,
              "reasoning_effort": "high", "preserve_thinking": True},
    "nothink": {"add_generation_prompt": True, "enable_thinking": False, "thinking": False,
                "reasoning_effort": "low", "date_string": "2 Jan 2026",
                "documents": [{"title": "T", "text": "one"}], "model_identity": "Me"},
}


def call(arguments, n=1, content="Let me look."):
    calls = [{"id": "call%05d" % i, "type": "function",
              "function": {"name": TOOLS[i % 2]["function"]["name"], "arguments": arguments}}
             for i in range(n)]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def results(n):
    return [{"role": "tool", "tool_call_id": "call%05d" % i,
             "name": TOOLS[i % 2]["function"]["name"], "content": '{"t": %d}' % i} for i in range(n)]


def shapes(texts, arguments):
    system, user, answer = texts
    s = {"role": "system", "content": system}
    u = {"role": "user", "content": user}
    a = {"role": "assistant", "content": answer}
    think = dict(a, reasoning_content=" because \n")
    inline = {"role": "assistant", "content": "<think>\nwhy\n</think>\n\n" + answer}
    parts = {"role": "user", "content": [{"type": "text", "text": user}, {"type": "text", "text": "b"}]}
    yield "user", [u], None
    yield "system", [s, u], None
    yield "turns", [s, u, a, u, a, u], None
    yield "ends", [s, u, a], None
    yield "reason", [u, think, u, inline, u], None
    yield "parts", [s, parts, a, parts], None
    yield "tools", [s, u], TOOLS
    yield "call", [s, u, call(arguments)], TOOLS
    yield "loop", [s, u, call(arguments), *results(1), think, u], TOOLS
    yield "loops", [u, dict(call(arguments, 1, ""), reasoning_content="hm"), *results(1),
                    dict(call(arguments, 2, None), reasoning="so"), *results(2)], TOOLS
    yield "many", [s, u, call(arguments, 3), *results(3), a, u], TOOLS
    yield "late", [u, s, u], None
    yield "developer", [{"role": "developer", "content": system}, u], None
    yield "twice", [s, s, u, u, a, a], None
    yield "lonely", [s], None
    yield "orphan", [u, *results(1)], TOOLS
    yield "null", [s, u, {"role": "assistant", "content": None}, u], None


def matrix():
    for (text, t), (kind, arguments) in itertools.product(TEXTS.items(), ARGUMENTS.items()):
        for shape, messages, tools in shapes(t, arguments):
            has_call = any("tool_calls" in m for m in messages)
            if kind != "object" and (not has_call or text not in ("plain", "empty")):
                continue
            for asked, values in ASKED.items():
                context = {"bos_token": "<BOS>", "eos_token": "<EOS>", "messages": messages, **values}
                if tools:
                    context["tools"] = tools
                yield "/".join((text, kind, shape, asked)), context


ours, theirs = Ours(sys.argv[1]), Theirs()
cases = list(matrix())
count, bad, words = collections.Counter(), 0, 0
for path in TEMPLATES:
    with open(path, encoding="utf8") as f:
        template = f.read()
    for name, context in cases:
        want, got = theirs.render(template, context), ours.render(template, context)
        count[want[0]] += 1
        if want[0] == got[0] and (got[0] == "o" and got == want
                                  or got[0] == "r" and without_line(got[1]) == want[1]
                                  or got[0] in "esl"):
            words += got[0] == "e" and without_line(got[1]) == want[1]
            continue
        bad += 1
        if bad <= 20:
            print(os.path.basename(path), name, "\n  want", want[0], repr(want[1][-200:]),
                  "\n  got ", got[0], repr(got[1][-200:]))
print("%d templates x %d conversations = %d: %d texts, %d raised, %d errors (%d in the same words); "
      "%d too deep; %d differ" % (len(TEMPLATES), len(cases), sum(count.values()), count["o"], count["r"],
                     count["e"], words, count["l"], bad))
if bad or sum(count.values()) < 5000:
    sys.exit(1)
