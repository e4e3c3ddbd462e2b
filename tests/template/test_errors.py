#!/usr/bin/env python3
"""What is said about wrong templates (errors.txt), the templates that broke
other engines, and the command: its exit status, output and messages."""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from ours import Ours  # noqa: E402

BUILD = sys.argv[1]
CONTEXT = {"s": "text", "l": [1, 2], "d": {"a": 1}}
bad = 0


def fail(*what):
    global bad
    bad += 1
    print("FAILED:", *what)


def cases():
    text = []
    for line in open(os.path.join(HERE, "errors.txt"), encoding="utf8"):
        if line.startswith("=> "):
            kind, message = line[3:].rstrip("\n").split(" ", 1)
            yield "".join(text), kind, message
            text = []
        elif text or not line.startswith("# "):
            text.append(line[:-2] if line.endswith("\\\n") else line)


ours, n = Ours(BUILD), 0
for template, kind, message in cases():
    n += 1
    got = ours.render(template, CONTEXT)
    if got != (kind, message):
        fail(repr(template), "\n  wanted", kind, message, "\n  got   ", *got)

# Depth and size: an answer, never a crash.
HOSTILE = {
    "parentheses": "{{ " + "(" * 100000 + "1" + ")" * 100000 + " }}",
    "lists": "{{ " + "[" * 100000 + "]" * 100000 + " }}",
    "ifs": "{% if s %}" * 30000 + "{% endif %}" * 30000,
    "minuses": "{{ " + "-" * 200000 + "1 }}",
    "nots": "{{ " + "not " * 100000 + "1 }}",
    "sums": "{{ " + "1+" * 100000 + "1 }}",
    "attributes": "{{ s" + ".x" * 100000 + " }}",
    "filters": "{{ s" + "|trim" * 100000 + " }}",
    "conditions": "{{ " + "1 if s else " * 50000 + "1 }}",
    "tests": "{{ s" + " is defined" * 50000 + " }}",
    "calls": "{{ s" + "()" * 100000 + " }}",
    "fors": "{% for x in l %}" * 30000 + "{% endfor %}" * 30000,
    "macros": "{% macro m() %}" * 30000 + "{% endmacro %}" * 30000,
    "names": "".join("{{ n%d }}" % i for i in range(50000)),
    "comments": "{#" * 200000,
    "raws": "{% raw " * 100000,
    "braces": "{" * 500000,
}
for name, template in HOSTILE.items():
    kind, message = ours.render(template, CONTEXT)
    if kind not in "sl" or not message.startswith("line "):
        fail(name, kind, message[:200])


def sextet(template, *options, stdin="", suffix=".jinja"):
    with tempfile.NamedTemporaryFile("w", suffix=suffix, encoding="utf8") as f:
        f.write(template)
        f.flush()
        p = subprocess.run([os.path.join(BUILD, "sextet"), "template", f.name, *options],
                           input=stdin, capture_output=True, text=True)
        return p.returncode, p.stdout, p.stderr.replace(f.name, "FILE")


def expect(got, *wanted):
    if got != wanted:
        fail("wanted", wanted, "got", got)


expect(sextet("{{ x }}é\n\n", "--context=-", stdin='{"x": 1.0}'), 0, "1.0é\n", "")
expect(sextet("{{ x }}"), 0, "", "")
expect(sextet("{{ strftime_now('%d %b %Y %H:%M:%S %j%f%z') }}", "--now=2026-01-02T03:04:05"),
       0, "02 Jan 2026 03:04:05 002000000", "")
expect(sextet("{{ strftime_now('%A') }}", "--now=2026-01-02"), 0, "Friday", "")
expect(sextet("{{ strftime_now('%Y') }}", "--now=2026-02-30"), 2, "",
       "sextet: --now=2026-02-30: expected a time such as 2026-01-02T03:04:05\n")
expect(sextet("\n{{ raise_exception('Not so.') }}"), 1, "", "sextet: FILE: line 2: Not so.\n")
expect(sextet("{{"), 1, "", "sextet: FILE: line 1: unexpected end of template\n")
expect(sextet("", "--context=-", stdin="[1]"), 1, "", "sextet: -: the context must be a JSON object\n")
expect(sextet("", "--context=-", stdin='{"a": 1,\n "b": 01}'), 1, "",
       "sextet: -: line 2 column 8: expected ',' or '}'\n")
expect(sextet("", "--context=-", stdin='{"a":' * 200), 1, "", "sextet: -: JSON nested deeper than 128\n")
print(n, "wrong templates,", len(HOSTILE), "hostile ones;", bad, "failures")
sys.exit(bad > 0)
