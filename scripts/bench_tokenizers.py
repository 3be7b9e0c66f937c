"""The measurements of bench-tokenizers.sh: lines of a text to lines of ids."""

import hashlib
import os
import pathlib
import statistics
import subprocess
import sys
import time

import sentencepiece
import tokenizers

program, model, text, rounds = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
root = pathlib.Path(__file__).parent.parent / "data" / "testdata" / "huggingface"
lines = text.read_bytes().decode().removesuffix("\n").split("\n")
size = text.stat().st_size
environment = dict(os.environ, GOMAXPROCS="1")


def ours(tokenizer):
    start = time.perf_counter()
    out = subprocess.run([program, "encode", "--tokenizer", tokenizer], stdin=text.open("rb"), capture_output=True, check=True, env=environment).stdout
    return time.perf_counter() - start, out


def theirs(encode):
    start = time.perf_counter()
    ids = encode(lines)
    return time.perf_counter() - start, ids


def printed(ids):
    return "".join(" ".join(map(str, line)) + "\n" for line in ids).encode()


processor = sentencepiece.SentencePieceProcessor(model_file=model)
cases = [("sentencepiece", model, lambda lines: processor.encode(lines, num_threads=1), 3.0)]
for name in ("gpt2", "qwen", "llama3"):
    path = str(root / name / "tokenizer.json")
    t = tokenizers.Tokenizer.from_file(path)
    cases.append((f"tokenizers, {name}", path, lambda lines, t=t: [e.ids for e in t.encode_batch(lines, add_special_tokens=False)], 2.0))

failed = False
for name, path, encode, goal in cases:
    mine, other = [], []
    for round in range(rounds + 1):  # the first warms up
        a, out = ours(path)
        b, ids = theirs(encode)
        if round == 0:
            if hashlib.sha256(out).digest() != hashlib.sha256(printed(ids)).digest():
                sys.exit(f"{name}: the ids differ")
            continue
        mine.append(a)
        other.append(b)
    ratio = statistics.median(other) / statistics.median(mine)
    failed |= ratio < goal
    print(f"{name:20s} {size / statistics.median(other) / 1e6:7.2f} MB/s   mobilellm-data {size / statistics.median(mine) / 1e6:7.2f} MB/s   ratio {ratio:5.2f}   goal {goal:.0f}   {'ok' if ratio >= goal else 'MISSED'}")
sys.exit(failed)
