"""Our side of the tests here: one process for many renderings."""
import json
import os
import subprocess


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


def without_line(text):
    return text.split(": ", 1)[1] if text.startswith("line ") and ": " in text else text
