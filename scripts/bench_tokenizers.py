"""The measurements of bench-tokenizers.sh: lines of a text to lines of ids."""

import gc
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import sentencepiece
import tokenizers

folder, model, text, rounds = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
root = pathlib.Path(__file__).parent.parent / "data" / "testdata" / "huggingface"
lines = text.read_bytes().decode().removesuffix("\n").split("\n")
size = text.stat().st_size
PASSES = 5


def ours(tokenizer):
    """Seconds of the first pass and of each further one, by a fresh process."""
    command = [folder / "mobilellm-bench", "tokenize", "--tokenizer", tokenizer, "--text", text, "--repeats", str(PASSES), "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return [found["first_s"]] + found["repeats_s"]


def theirs(load):
    """The same of a freshly loaded tokenizer."""
    encode, passes = load(), []
    for _ in range(PASSES + 1):
        gc.collect()
        start = time.perf_counter()
        encode(lines)
        passes.append(time.perf_counter() - start)
    return passes


def load_pieces():
    processor = sentencepiece.SentencePieceProcessor(model_file=model)
    return lambda lines: processor.encode(lines, num_threads=1)


def load_json(path):
    t = tokenizers.Tokenizer.from_file(path)
    return lambda lines: [e.ids for e in t.encode_batch_fast(lines, add_special_tokens=False)]


def same_ids(tokenizer, load):
    out = subprocess.run([folder / "mobilellm-data", "encode", "--tokenizer", tokenizer], stdin=text.open("rb"), capture_output=True, check=True).stdout
    want = "".join(" ".join(map(str, line)) + "\n" for line in load()(lines)).encode()
    return hashlib.sha256(out).digest() == hashlib.sha256(want).digest()


cases = [("sentencepiece", model, load_pieces, 3.0)]
for name in ("gpt2", "qwen", "llama3"):
    path = str(root / name / "tokenizer.json")
    cases.append((f"tokenizers, {name}", path, lambda path=path: load_json(path), 2.0))


def speeds(seconds):
    """Slowest, median and fastest in MB/s."""
    return [size / s / 1e6 for s in (max(seconds), statistics.median(seconds), min(seconds))]


failed = False
print(f"{text.name}, {size} bytes, MB/s: slowest, median, fastest of {rounds} loads × {PASSES} passes; first: of the first passes")
print(f"{'':20s} {'theirs':^20s} {'first':^20s}   {'ours':^20s} {'first':^20s}   ratio first goal")
for name, path, load, goal in cases:
    if not same_ids(path, load):
        sys.exit(f"{name}: the ids differ")
    results = {"a": [], "b": []}
    for _ in range(rounds):
        results["a"].append(theirs(load))
        results["b"].append(ours(path))
    columns, medians = [], []
    for passes in results.values():
        for seconds in ([s for p in passes for s in p[1:]], [p[0] for p in passes]):
            columns.append("%6.1f %6.1f %6.1f" % tuple(speeds(seconds)))
            medians.append(statistics.median(seconds))
    ratio, first = medians[0] / medians[2], medians[1] / medians[3]
    missed = min(ratio, first) < goal
    failed |= missed
    print(f"{name:20s} {columns[0]} {columns[1]}   {columns[2]} {columns[3]}   {ratio:5.2f} {first:5.2f} {goal:4.0f}   {'MISSED' if missed else 'ok'}", flush=True)
sys.exit(failed)
