#!/usr/bin/env bash
# Runs every test, with SIMD kernels and without, with cgo and without, and tells each
# stage's time. Without, of the packages that have code of their own for it and what
# runs on them.
#
#   scripts/test.sh [PACKAGES]
set -euo pipefail
cd "$(dirname "$0")/.."

# stage TITLE COMMAND…
stage() {
	local title=$1 began=$SECONDS
	shift
	echo "== $title: $*"
	"$@" || {
		echo "== $title: FAILED after $((SECONDS - began)) s" >&2
		exit 1
	}
	echo "== $title: $((SECONDS - began)) s"
}

export GOEXPERIMENT=${GOEXPERIMENT-simd}
stage build go build ./...
stage test go test -vet=off "${@:-./...}"
stage "test without SIMD" env GOEXPERIMENT= go test -vet=off -short ./engine ./engine/cpu/... ./optim/... ./internal/bfloat16 ./internal/filemap
stage "test without SIMD and cgo" env CGO_ENABLED=0 GOEXPERIMENT= go test -vet=off -short ./engine ./engine/cpu/... ./internal/compat
echo "== all stages: $SECONDS s"
