#!/usr/bin/env bash
# Check LoRA adapters against peft and llama.cpp, from PyPI (lora.py).
set -eu
cd "$(dirname "$0")/.."
mapfile -t packages < <(grep -v '^#' interop/requirements.txt)
base=$(scripts/venv.sh "${packages[@]}")
# peft takes PyTorch and transformers from that environment.
PYTHONPATH=$("$base/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
export PYTHONPATH
mapfile -t packages < <(grep -v '^#' interop/requirements-lora.txt)
venv=$(scripts/venv.sh --no-deps "${packages[@]}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOEXPERIMENT="${GOEXPERIMENT-simd}"
go build -o "$work/bin/" ./cmd/mobilellm-train ./cmd/mobilellm-export
"$venv/bin/python" interop/lora.py --bin "$work/bin"
