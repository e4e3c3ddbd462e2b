#!/usr/bin/env python3
"""dsl/LANGUAGE.md: every example does what the text says, and the table of
builtins is that of builtins.def (UPDATE=1 rewrites it)."""
import ast
import os
import re
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(sys.argv[1])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "dsl", "LANGUAGE.md")
TABLE = re.compile(r"(<!-- builtins:.*?-->\n).*?(<!-- end -->)", re.S)


def check(text, folder):
    path = os.path.join(folder, "example.mdl")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    run = subprocess.run([os.path.join(BUILD, "sextet"), "fmt", "--check", "example.mdl"],
                         cwd=folder, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def blocks(page):
    """(kind, text) of every fenced block."""
    return re.findall(r"^```(\w[\w ]*)\n(.*?)^```$", page, re.S | re.M)


def check_examples(page):
    found = blocks(page)
    examples = 0
    with tempfile.TemporaryDirectory() as folder:
        for i, (kind, text) in enumerate(found):
            if kind == "mdl":
                status, said = check(text, folder)
                assert status == 0 and not said, f"an example is wrong:\n{text}\n{said}"
                examples += 1
            elif kind == "mdl wrong":
                status, said = check(text, folder)
                assert found[i + 1][0] == "text" and status == 1
                wanted = found[i + 1][1]
                assert said.startswith(wanted), f"expected\n{wanted}\nfound\n{said}"
                assert "sextet: " in said[len(wanted):].split("\n")[0], said
                examples += 1
    assert examples >= 6, f"only {examples} examples found"
    return examples


def rows():
    """(heading, shape, formula) of builtins.def, which is C strings."""
    with open(os.path.join(ROOT, "dsl", "builtins.def"), encoding="utf-8") as f:
        text = f.read().split("*/", 1)[1]
    heading = ""
    for m in re.finditer(r"/\* ([^*]*?) \*/|BUILTIN\((\w+), (.*?)\)(?=\n)", text, re.S):
        if m.group(2) is None:
            heading = m.group(1)
            continue
        body = re.sub(r"^(\"[^\"]*\"),\s*(\w+),", r'\1, "\2",', m.group(3).strip())
        fields = ast.literal_eval("(" + body + ",)")
        assert len(fields) == 6, m.group(2)
        yield heading, fields[4], fields[5]


def table():
    out, last = [], None
    for heading, shape, formula in rows():
        if heading != last:
            out += ["", f"**{heading[0].upper()}{heading[1:]}**", "", "| call | what it computes |",
                    "|---|---|"]
            last = heading
        calls = "<br>".join(f"`{s}`" for s in shape.replace("|", "\\|").split("; "))
        out.append(f"| {calls} | {formula} |")
    return "\n".join(out).strip() + "\n"


def main():
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    wanted = TABLE.sub(lambda m: m.group(1) + table() + m.group(2), page)
    if os.environ.get("UPDATE"):
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(wanted)
        page = wanted
    assert page == wanted, "the table of builtins is old: UPDATE=1 tests/dsl/test_language.py BUILD"
    print(f"{check_examples(page)} examples, {len(list(rows()))} builtins")


main()
