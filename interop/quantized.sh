#!/usr/bin/env bash
# Check folders in W8A8, of SmolLM2-135M-Instruct and of a tiny model that is trained here,
# against transformers with compressed-tensors, from PyPI (quantized.py), and each linear
# layer's product on transformers' inputs (TestProducts of package infer).
set -eu
cd "$(dirname "$0")/.."
mapfile -t packages < <(grep -v '^#' interop/requirements.txt)
base=$(scripts/venv.sh "${packages[@]}")
# compressed-tensors takes PyTorch and transformers from that environment.
PYTHONPATH=$("$base/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
export PYTHONPATH
mapfile -t packages < <(grep -v '^#' interop/requirements-quantized.txt)
venv=$(scripts/venv.sh --no-deps "${packages[@]}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOEXPERIMENT="${GOEXPERIMENT-simd}"
go build -o "$work/bin/" ./cmd/mobilellm-train ./cmd/mobilellm-generate ./cmd/mobilellm-export ./cmd/mobilellm-eval
status=0
check() { # FOLDER [MODEL]
	"$venv/bin/python" interop/quantized.py --bin "$work/bin" --out "$@" || status=1
	MOBILELLM_PRODUCTS=$1 go test -count=1 -v -run '^TestProducts$' ./infer || status=1
}
check "$work/trained"
check "$work/smollm2" "$(interop/smollm2.sh)"
exit $status
