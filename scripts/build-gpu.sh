#!/usr/bin/env bash
# Builds the commands with the tag gpu into bin/ (or OUT), and sees that they start
# without a driver: nothing of CUDA may be linked.
set -eu
cd "$(dirname "$0")/.."
source <(scripts/cuda-env.sh)
out=${OUT:-bin}
go build -trimpath -tags gpu -o "$out/" ./cmd/...
for command in cmd/*/; do
	binary=$out/$(basename "$command")
	if readelf -d "$binary" | grep -E 'NEEDED.*(libcuda|libcublas|libcudart)'; then
		echo "$binary needs CUDA to start" >&2
		exit 1
	fi
done
