#!/usr/bin/env bash
# Check folders in W8A8, of SmolLM2-135M-Instruct and of a tiny model that is trained here,
# against transformers with compressed-tensors, from PyPI (quantized.py), and each linear
# layer's product on transformers' inputs (TestProducts of package infer).
set -eu
cd "$(dirname "$0")/.."
mapfile -t packages < <(grep -v '^#' interop/requirements.txt)
venv=$(scripts/venv.sh "${packages[@]}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOEXPERIMENT="${GOEXPERIMENT-simd}"
go build -o "$work/bin/" ./cmd/mobilellm-train ./cmd/mobilellm-generate ./cmd/mobilellm-export ./cmd/mobilellm-eval
status=0
for name in trained smollm2; do
	"$venv/bin/python" interop/quantized.py --bin "$work/bin" --out "$work/$name" "$([ $name = trained ] || interop/smollm2.sh)" || status=1
	MOBILELLM_PRODUCTS=$work/$name go test -count=1 -v -run '^TestProducts$' ./infer || status=1
done
exit $status
