#!/usr/bin/env bash
# Tests the build for GPUs. Where there is no GPU the tests on it skip and say why;
# everything else runs: the device on a shadow and on the emulator. With a GPU and
# SANITIZE=1, compute-sanitizer looks for accesses out of bounds and for races.
#
# For a machine with a GPU but without Go, TESTS names engine/cuda's tests as compiled
# elsewhere by `go test -tags gpu -c`: of them what needs the GPU is run.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${TESTS:-}" ]; then
	tests=$(realpath "$TESTS")
	(cd engine/cuda && "$tests" -test.v -test.run OnGPU | grep -v '^=== ')
else
	source <(scripts/cuda-env.sh)
	toolkit=$(scripts/cuda-toolkit.sh)
	export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$toolkit/lib:$toolkit/lib64
	go vet -tags gpu ./device ./engine/cuda/...
	# What is skipped is shown with its reason. Results are not taken from the cache: go does
	# not see whether there is a GPU.
	[ -n "${SHORT:-}" ] || export MOBILELLM_TEST_LONG=1
	go test -count=1 -timeout 60m -tags gpu -v ${SHORT:+-short} ./engine/cuda/... |
		awk '/^ *--- (SKIP|FAIL)|^(ok|FAIL|panic)|OnGPU|_test\.go:/ && !/^=== /'
	if [ -n "${SANITIZE:-}" ]; then
		tests=$(mktemp -d)/cuda.test
		go test -tags gpu -c -o "$tests" ./engine/cuda
	fi
fi
if [ -n "${SANITIZE:-}" ]; then
	sanitizer=$(command -v compute-sanitizer || echo "$(scripts/venv.sh --no-deps nvidia-cuda-sanitizer-api==13.0.85)"/lib/python3*/site-packages/nvidia/cu13/bin/compute-sanitizer)
	for tool in memcheck racecheck; do
		(cd engine/cuda && "$sanitizer" --tool "$tool" --error-exitcode 1 "$tests" -test.run '(Kernels|Training)OnGPU' -test.short)
	done
fi
