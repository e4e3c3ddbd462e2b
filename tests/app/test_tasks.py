#!/usr/bin/env python3
"""Greedy answers of the shipped model on 150 tasks: at least 113 exact."""
import json
import os
import subprocess
import sys
import tempfile
import ref

ref.need_demo()
WANTED = 113
tasks = [json.loads(line) for line in open(os.path.join(ref.DEMO, "tasks.jsonl"))][:150]
exact = 0
with tempfile.TemporaryDirectory() as tmp:
    prompt = os.path.join(tmp, "prompt")
    for task in tasks:
        with open(prompt, "w") as f:
            f.write(task["prompt"])
        out = ref.sextet("run", "models/demo/demo-q4_k.gguf", f"--prompt-file={prompt}", "--raw",
                         "--special", "--temperature=0", "--max-tokens=200", "--quiet",
                         f"--cache-dir={ref._cache.name}")
        exact += out.strip() == task["want"].strip()
print(f"{exact} of {len(tasks)} exact")
ref.check("answers missed", len(tasks) - exact, len(tasks) - WANTED)
ref.finish()
