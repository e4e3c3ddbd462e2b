#!/usr/bin/env python3
"""The stored renderings of jinja2 (shared data): the same bytes, and an error
where jinja2 has one, in the same words."""
import gzip
import json
import os
import re
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(HERE, "../../../shared/data")
GOLDEN = os.path.join(SHARED, "jinja/golden.json.gz")
if not os.path.exists(GOLDEN):
    print("skipped: no stored renderings")
    sys.exit(77)
sys.path.insert(0, HERE)
from ours import Ours, without_line  # noqa: E402

ours = Ours(sys.argv[1])
bad = errors = n = 0
for case in json.loads(gzip.open(GOLDEN).read()):
    with open(os.path.join(SHARED, "templates", case["template"]), encoding="utf8") as f:
        template = f.read()
    kind, text = ours.render(template, case["ctx"])
    n += 1
    if "out" in case:
        same = kind == "o" and text == case["out"]
    else:
        name, words = re.fullmatch(r"(\w+): (.*)", case["error"], re.S).groups()
        raised = name == "TemplateError"
        same = kind == ("r" if raised else "e") and without_line(text) == words
        errors += 1
    if not same:
        bad += 1
        if bad <= 10:
            print(case["template"], case["case"], kind, repr(text[-300:]),
                  "wanted", repr(case.get("out", case.get("error"))[-300:]))
print(n, "renderings,", errors, "of them errors;", bad, "differ")
if bad or n < 600:
    sys.exit(1)
