#!/usr/bin/env bash
# Writes engine/cuda/driver/stubs_amd64.S: a jump stub for each function of libcuda that the
# program calls, so that it starts where no driver is. HEADERS may name include folders of
# other CUDA versions, whose functions of the same source have other names.
set -eu
cd "$(dirname "$0")/.."
source <(scripts/cuda-env.sh)
out=engine/cuda/driver/stubs_amd64.S
shim=-I$PWD/engine/cuda/shim
names() { # of the functions that the sources call, as the headers on the include path name them
	local cu
	cu=$(go list -tags gpu -f '{{.Dir}}' gorgonia.org/cu)
	{
		echo '#define MOBILELLM_REAL_CUINIT'
		echo '#include <cuda.h>'
		cat "$cu"/*.go "$cu"/*.c "$cu"/*.h engine/cuda/driver/*.c engine/cuda/shim/cuda.h |
			grep -o '\bcu[A-Z]\w*' | sort -u | sed 's/.*/NAME & =/'
	} | gcc -E -P $1 - 2>/dev/null | sed -n 's/^NAME \(\w*\) =.*/\1/p' | sort -u >"$2.called"
	echo '#include <cuda.h>' | gcc -E -P $1 - | grep -o '\bcu[A-Z]\w*\s*(' | tr -d '( ' | sort -u >"$2.declared"
	comm -12 "$2.called" "$2.declared"
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
{
	names "$shim $CGO_CFLAGS" "$tmp/own"
	for include in ${HEADERS:-}; do
		names "$shim -I$include" "$tmp/other"
	done
	if [ -e "$out" ]; then # names of the headers that other builds had
		sed -n 's/^\.globl \(cu\w*\)$/\1/p' "$out"
	fi
} | sort -u | python3 scripts/cuda_stubs.py >"$tmp/stubs.S"
cp "$tmp/stubs.S" "$out"
