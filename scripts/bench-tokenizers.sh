#!/bin/sh
# Compares encoding speed with SentencePiece and Hugging Face tokenizers: the
# lines of one text, one core, in turn. Only the encoding is timed, in a process
# that has loaded tokenizer and text. The ratio is of the medians, goals are 3
# and 2; "first" is that of the first pass after loading, when no word is known
# from before. Fails where a goal is missed or ids differ.
#
#   scripts/bench-tokenizers.sh TOKENIZER.model TEXT
#
# PYTHON names a Python with sentencepiece and tokenizers (python3), ROUNDS how
# often each loads its tokenizer anew (5), CORE the core (0).
set -eu
cd "$(dirname "$0")/.."
model=${1:?usage: scripts/bench-tokenizers.sh TOKENIZER.model TEXT}
text=${2:?usage: scripts/bench-tokenizers.sh TOKENIZER.model TEXT}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/" ./cmd/mobilellm-bench ./cmd/mobilellm-data
TOKENIZERS_PARALLELISM=false RAYON_NUM_THREADS=1 taskset -c "${CORE:-0}" \
	"${PYTHON:-python3}" scripts/bench_tokenizers.py "$dir" "$model" "$text" "${ROUNDS:-5}"
