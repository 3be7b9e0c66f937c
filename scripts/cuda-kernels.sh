#!/usr/bin/env bash
# Compiles engine/cuda/kernels/*.cu to fat binaries: machine code for compute
# capabilities 8.0, 9.0 and 10.0, which later ones of the same major number run
# too, and PTX that the driver compiles for all others. manifest.txt records what
# they were made of. A kernel that spills registers is an error.
#
# The compiler is $NVCC, nvcc on the path or that of cuda-toolkit.sh, which may come
# from PyPI. With `check` nothing is changed: the kernels must compile and, where
# the compiler is of the manifest's version, give the binaries that are there.
set -euo pipefail
cd "$(dirname "$0")/.."
flags=(-std=c++17 -O3 --fatbin -Xfatbin -compress-all -Xptxas -v
	-gencode arch=compute_80,code=sm_80
	-gencode arch=compute_90,code=sm_90
	-gencode arch=compute_100,code=sm_100
	-gencode arch=compute_80,code=compute_80)

nvcc=${NVCC:-$(command -v nvcc || true)}
if [ -z "$nvcc" ]; then
	nvcc=$(scripts/cuda-toolkit.sh)/bin/nvcc
fi

cd engine/cuda/kernels
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir -p binary
for source in *.cu; do
	name=${source%.cu}
	echo "nvcc $source" >&2
	"$nvcc" "${flags[@]}" -o "$out/$name.fatbin" "$source" >"$out/$name.log" 2>&1 || {
		cat "$out/$name.log" >&2
		exit 1
	}
	if grep -B1 -E '[1-9][0-9]* bytes spill' "$out/$name.log" >&2; then
		echo "$source: registers are spilled" >&2
		exit 1
	fi
	grep -q 'bytes spill' "$out/$name.log" || {
		echo "$source: the compiler said nothing about registers" >&2
		exit 1
	}
done
version=$("$nvcc" --version | sed -n 's/.*\(V[0-9][0-9.]*\).*/\1/p')
made="# made by scripts/cuda-kernels.sh, nvcc $version"
if [ "${1:-}" = check ]; then
	if [ "$made" != "$(head -1 manifest.txt)" ]; then
		echo "nvcc $version compiles all kernels; the binaries are another version's" >&2
		exit
	fi
	for binary in "$out"/*.fatbin; do
		cmp "$binary" "binary/${binary##*/}"
	done
	exit
fi
rm -f binary/*.fatbin
cp "$out"/*.fatbin binary/
{
	echo "$made"
	sha256sum ../../../scripts/cuda-kernels.sh ./*.cu ./*.cuh binary/*.fatbin
} >manifest.txt
du -ch binary/*.fatbin >&2
