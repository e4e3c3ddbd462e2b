"""Their side of the tests here: Python's jinja2 as transformers sets it up."""
import datetime
import json

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

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
