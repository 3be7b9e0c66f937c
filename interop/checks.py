"""What the checks share: a count of them, and our own commands."""

import json
import math
import subprocess

import numpy as np


class Checks:
    """Counts checks, and remembers for the table what held where."""

    def __init__(self):
        self.passed, self.failed, self.rows = 0, 0, {}

    def check(self, case, where, what, ok, detail=""):
        self.passed, self.failed = self.passed + bool(ok), self.failed + (not ok)
        row = self.rows.setdefault(case, {})
        row[where] = row.get(where, True) and bool(ok)
        print(f"{'ok  ' if ok else 'FAIL'} {case}: {where}: {what}{' (' + detail + ')' if detail else ''}", flush=True)

    def close(self, case, where, what, a, b, most):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        worst = np.abs(a - b).max() if a.shape == b.shape else math.inf
        self.check(case, where, what, worst <= most, f"{worst:.2g}, at most {most:g}")


class Program:
    """Our own commands."""

    def __init__(self, binaries):
        self.binaries = binaries

    def run(self, command, *args, text=True):
        r = subprocess.run([self.binaries / command, *map(str, args)], capture_output=True, text=text)
        if r.returncode:
            raise RuntimeError(f"{command} {' '.join(map(str, args))}: {r.stderr}")
        return r.stdout

    def export(self, model, fmt, out, *more):
        self.run("mobilellm-export", "--model", model, "--format", fmt, "--out", out, *more)
        return out

    def logits(self, model, ids, *more):
        out = self.run("mobilellm-export", "logits", "--model", model, "--tokens", ",".join(map(str, ids)), *more)
        return np.array(json.loads(out)["logits"], np.float32)

    def generate(self, model, prompt, tokens):
        out = self.run("mobilellm-generate", "--model", model, "--prompt", prompt, "--max-tokens", tokens,
                       "--temperature", 0, text=False)
        return out[:-1] if out.endswith(b"\n") else out

    def verify(self, model, against):
        r = subprocess.run([self.binaries / "mobilellm-export", "verify", model, "--against", against, "--json"],
                           capture_output=True, text=True)
        if r.returncode:
            return False, r.stdout + r.stderr
        found = json.loads(r.stdout)
        return True, f"{found['rounded_difference']:.2g}, as trained {found['difference']:.2g}"
