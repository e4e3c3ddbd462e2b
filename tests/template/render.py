"""Both sides of the tests here: Python's jinja2 as transformers sets it up,
and ours in one process for many renderings."""
import datetime
import json
import os
import subprocess

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(HERE, "../../../shared/data")
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5)


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_marked")
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _marked(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent,
                      separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.filters["from_json"] = json.loads
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


class Ours:
    def __init__(self, build):
        self.p = subprocess.Popen([os.path.join(build, "renderer")],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.last = None

    def render(self, template, context):
        """(kind, text): see renderer.c."""
        same = template == self.last
        t = b"" if same else template.encode()
        c = json.dumps(context).encode()
        self.last = template
        self.p.stdin.write(b"%d %d\n%s%s" % (len(t) or (0 if same else 1), len(c),
                                             t or (b"" if same else b"\n"), c))
        self.p.stdin.flush()
        head = self.p.stdout.readline()
        if not head:
            raise SystemExit("FAILED: the renderer ended on %r with %r" % (template, context))
        kind, n = head.split()
        return kind.decode(), self.p.stdout.read(int(n)).decode()


class Theirs:
    def __init__(self):
        self.env = environment()
        self.last = None

    def render(self, template, context):
        try:
            if template != self.last:
                self.t = self.env.from_string(template)
                self.last = template
        except RecursionError:
            return "l", ""
        except Exception as e:
            self.last = None
            return "s", str(e)
        try:
            text = self.t.render(**json.loads(json.dumps(context)))
            text.encode()
            return "o", text
        except jinja2.exceptions.TemplateError as e:
            exact = type(e) is jinja2.exceptions.TemplateError
            return "r" if exact else "e", str(e)
        except (RecursionError, MemoryError):
            return "l", ""
        except Exception as e:
            return "e", str(e)


def without_line(text):
    return text.split(": ", 1)[1] if text.startswith("line ") and ": " in text else text
