"""Compares mobilellm-eval with lm-evaluation-harness 0.4.13 on transformers, in float32.

eval.py --bin DIR --model FOLDER [--items N] [--tasks NAMES] [--golden]

FOLDER is a Hugging Face folder. The questions are those of eval/tasks/testdata/hub, 20 of
each task, or with --items N so many drawn from the data sets in ../shared, 0 for all.
Both get the same files. Log-likelihoods must agree to 1e-3, a text's to 1e-5 of it, acc and
acc_norm exactly but for questions whose best two choices differ by less than 2e-3, which
are listed. WikiText-2 by the paper's eval.py is compared with transformers itself, to 1e-4:
two windows, with --items 0 all, or shorter ones of the few pages where ../shared is not there.

--tasks takes some, with commas between. --golden writes the harness's log-likelihoods of
these to eval/testdata/smollm2.jsonl, which keeps those of others; of RACE, whose articles
are long, and TriviaQA, whose texts are generated, five.
"""

import argparse
import gzip
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "eval/tasks/testdata"))

import harness  # noqa: E402
import pyarrow.parquet  # noqa: E402
import torch  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402

MOST, TIE, TEXT = 1e-3, 2e-3, 1e-5
GOLDEN = {"race": 5, "triviaqa": 5}  # items of a task that --golden keeps, where not all
WINDOW = 2048  # of the paper's eval.py


def questions(name, read, n):
    """Rows in Hugging Face's form, of both programs."""
    if n is None:
        rows = pyarrow.parquet.read_table(ROOT / f"eval/tasks/testdata/hub/{name}.parquet").to_pylist()
        if name == "wikitext2":
            return [{"page": p} for p in harness.pages_of("".join(r["text"] or " \n" for r in rows))]
        return rows
    _, rows = read()
    if n and n < len(rows):
        rows = [rows[i] for i in sorted(random.Random(1234).sample(range(len(rows)), n))]
    return rows


def ours(binary, model, files, folder, protocol="lm-eval", more=()):
    """Our answers, by task and item, our results by task, and the time."""
    items = pathlib.Path(folder, f"items-{protocol}.jsonl")
    command = [binary, "--model", model, "--protocol", protocol, "--items", items, "--json", "--device", "cpu", *more]
    begun = time.time()
    done = subprocess.run([*command, *(f"--task={n}={f}" for n, f in files.items())], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    out = done.stdout
    took = time.time() - begun
    answers = {}
    for line in items.read_text().splitlines()[1:]:
        a = json.loads(line)
        answers.setdefault(a["task"], {})[a["item"]] = a
    return answers, {r["task"]: r for r in json.loads(out)["results"]}, took


class Row:
    """A line of the table."""

    def __init__(self, name, n):
        self.name, self.n, self.worst, self.ties, self.wrong = name, n, 0.0, 0, []

    def close(self, item, got, want, most):
        self.worst = max(self.worst, abs(got - want))
        if not abs(got - want) <= most:
            self.wrong.append(f"{self.name} {item}: {got} instead of {want}")

    def print(self, got, want, seconds):
        state = "FAIL" if self.wrong else "ok"
        print(f"{self.name:16}{self.n:6}  {self.worst:9.1e}  {self.ties:4}  {got:>20}  {want:>20}  {seconds:6.1f}  {state}", flush=True)
        for line in self.wrong[:10]:
            print("   ", line)
        return not self.wrong


def tied(scores):
    best = sorted(scores, reverse=True)
    return len(best) > 1 and best[0] - best[1] < TIE


def compare(name, mine, result, samples, totals, seconds):
    row = Row(name, len(samples))
    measures = [m for m in ("acc", "acc_norm", "exact_match", "perplexity", "word_perplexity", "bits_per_byte") if m in result]
    for i, sample in enumerate(samples):
        a = mine[i]
        if name == "triviaqa":
            text, want = a.get("text", ""), sample["filtered_resps"][0]
            if text.strip() != want.strip():
                row.wrong.append(f"{name} {i}: {text!r} instead of {want!r}")
            continue
        if name == "wikitext2":
            want = sample["resps"][0][0]
            row.close(i, a["requests"][0]["loglikelihood"], want, TEXT * abs(want))
            continue
        scores = []
        for r, resp in zip(a["requests"], sample["resps"], strict=True):
            row.close(i, r["loglikelihood"], resp[0][0], MOST)
            scores.append(r["loglikelihood"])
            if r["is_greedy"] != resp[0][1]:
                row.wrong.append(f"{name} {i}: greedy {r['is_greedy']} instead of {resp[0][1]}")
        for m in ("acc", "acc_norm"):
            if m not in a.get("values", {}) or m not in sample or name == "lambada_openai":
                continue
            if a["values"][m] != sample[m]:
                lengths = [len(x[1].strip()) if m == "acc_norm" else 1 for x in sample["arguments"]]
                if tied([s / n for s, n in zip(scores, lengths, strict=True)]):
                    row.ties += 1
                    print(f"    {name} {i}: the best two of {m} differ by less than {TIE}")
                else:
                    row.wrong.append(f"{name} {i}: {m} {a['values'][m]} instead of {sample[m]}")
    text = [" ".join(f"{v:.4f}" for v in values) for values in
            ([result[m] for m in measures], [totals.get(f"{m},none", totals.get(f"{m},remove_whitespace", math.nan)) for m in measures])]
    return row.print(*text, seconds)


def official(lm, binary, model, folder, everything):
    """The paper's eval.py on WikiText-2, by transformers: two windows at least, and a rest that is dropped."""

    def ids_of(rows):
        return lm.tokenizer("\n\n".join(rows), return_tensors="pt").input_ids

    whole = harness.SHARED / "text/wikitext-2-raw/wiki.test.raw.gz"
    if whole.exists():
        with gzip.open(whole, "rt", encoding="utf-8", newline="\n") as f:
            rows = [line if line.strip() else "" for line in f.read().splitlines(keepends=True)]
    else:
        rows = [r["text"] for r in pyarrow.parquet.read_table(ROOT / "eval/tasks/testdata/hub/wikitext2.parquet").to_pylist()]
    n = len(rows) if everything else 64
    while n < len(rows) and ids_of(rows[:n]).numel() < 5 * WINDOW // 2:
        n *= 2
    rows = rows[:n]
    path = pathlib.Path(folder, "official.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"text": r} for r in rows]), path)
    ids = ids_of(rows)
    length = min(WINDOW, lm.max_length, ids.numel() * 2 // 5)
    total, n = 0.0, ids.numel() // length
    with torch.no_grad():
        for i in range(n):
            window = ids[:, i * length : (i + 1) * length]
            logits = lm.model(window).logits[:, :-1]
            total += torch.nn.functional.cross_entropy(logits[0], window[0, 1:]).item() * length
    want = math.exp(total / (n * length))
    _, results, _ = ours(binary, model, {"wikitext2": path}, folder, "paper", ["--context", str(length)])
    got = results["wikitext2"]["perplexity"]
    good = abs(got / want - 1) <= 1e-4
    print(f"wikitext2 by eval.py, {n} windows of {length}: {got:.6f}, transformers {want:.6f}: {'ok' if good else 'FAIL'}")
    return good


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bin", required=True)
    p.add_argument("--model", required=True)
    p.add_argument("--items", type=int)
    p.add_argument("--tasks", default="")
    p.add_argument("--golden", action="store_true")
    o = p.parse_args()
    binary = pathlib.Path(o.bin, "mobilellm-eval")
    chosen = [t for t in harness.TASKS if not o.tasks or t[0] in o.tasks.split(",")]
    lm = HFLM(pretrained=o.model, dtype="float32", batch_size=16, device="cpu")
    good, lines = True, []
    with tempfile.TemporaryDirectory() as folder:
        rows = {name: questions(name, read, o.items) for name, _, _, read in chosen}
        files = {}
        for name, r in rows.items():
            files[name] = pathlib.Path(folder, f"{name}.parquet")
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(r), files[name])
        answers, results, took = ours(binary, o.model, files, folder)
        print(f"{'task':16}{'items':>6}  {'differ by':>9}  ties  {'ours':>20}  {'lm-eval':>20}  {'its s':>6}")
        total = 0.0
        for name, definition, split, _ in chosen:
            begun = time.time()
            samples, totals = harness.harness(folder, name, definition, split, rows[name], model=lm)
            seconds = time.time() - begun
            total += seconds
            good &= compare(name, answers[name], results[name], samples, totals, seconds)
            for i, s in enumerate(samples[: GOLDEN.get(name)]):
                lines.append(golden(name, i, s))
        print(f"all: {took:.1f} s, lm-eval {total:.1f} s")
        if "wikitext2" in rows:
            good &= official(lm, binary, o.model, folder, o.items == 0)
    if o.golden:
        path = ROOT / "eval/testdata/smollm2.jsonl"
        path.parent.mkdir(exist_ok=True)
        others = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        harness.write_lines(path, [line for line in others if line["task"] not in rows] + lines)
    sys.exit(not good)


def golden(name, i, sample):
    line = {"task": name, "item": i}
    if name == "triviaqa":
        return {**line, "text": sample["filtered_resps"][0]}
    if name == "wikitext2":
        return {**line, "loglikelihoods": [sample["resps"][0][0]]}
    line["loglikelihoods"] = [round(r[0][0], 5) for r in sample["resps"]]
    line["greedy"] = [r[0][1] for r in sample["resps"]]
    return {**line, **{k: sample[k] for k in ("acc", "acc_norm") if k in sample and name != "lambada_openai"}}


if __name__ == "__main__":
    main()
