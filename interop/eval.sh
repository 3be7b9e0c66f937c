#!/usr/bin/env bash
# Compares mobilellm-eval with lm-evaluation-harness on SmolLM2-135M-Instruct (eval.py,
# whose options it takes). The harness goes into a virtual environment of its own.
set -eu
cd "$(dirname "$0")/.."
mapfile -t packages < <(grep -E '^(torch|transformers|safetensors|sentencepiece|protobuf|numpy)==' interop/requirements.txt)
venv=$(scripts/venv.sh "${packages[@]}" 'lm-eval[hf]==0.4.13' evaluate==0.4.6)
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOEXPERIMENT="${GOEXPERIMENT-simd}" go build -o "$bin/" ./cmd/mobilellm-eval
"$venv/bin/python" interop/eval.py --bin "$bin" --model "$(interop/smollm2.sh)" "$@"
