#!/bin/sh
# Compares encoding speed with SentencePiece and Hugging Face tokenizers: the
# same text, one core, the programs in turn, ROUNDS times. The times of
# mobilellm-data are those of the whole process, reading, starting and printing
# the ids included; of the Python libraries only the calls that encode.
#
#   scripts/bench-tokenizers.sh TOKENIZER.model TEXT
#
# PYTHON names a Python with sentencepiece and tokenizers (python3), ROUNDS how
# often (5), CORE the core (0).
set -eu
cd "$(dirname "$0")/.."
model=${1:?usage: scripts/bench-tokenizers.sh TOKENIZER.model TEXT}
text=${2:?usage: scripts/bench-tokenizers.sh TOKENIZER.model TEXT}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/mobilellm-data" ./cmd/mobilellm-data
TOKENIZERS_PARALLELISM=false RAYON_NUM_THREADS=1 taskset -c "${CORE:-0}" \
	"${PYTHON:-python3}" scripts/bench_tokenizers.py "$dir/mobilellm-data" "$model" "$text" "${ROUNDS:-5}"
