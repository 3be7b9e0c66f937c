#!/usr/bin/env bash
# Prints the variables with which go builds the tag gpu: eval "$(scripts/cuda-env.sh)".
# libcuda is not needed, neither to build nor to start: cu asks the linker for it, and an
# empty library of that name satisfies it, which the linker then leaves out.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
toolkit=$("$root/scripts/cuda-toolkit.sh")
empty=${XDG_CACHE_HOME:-$HOME/.cache}/mobilellm/cuda-empty
if [ ! -e "$empty/libcuda.so" ]; then
	mkdir -p "$empty"
	${CC:-gcc} -shared -x c /dev/null -o "$empty/libcuda.so" -Wl,-soname,libcuda.so.1
fi
printf 'export CGO_CFLAGS=%q CGO_LDFLAGS=%q\n' \
	"-O2 -I$root/engine/cuda/shim -I$toolkit/include" "-L$empty -Wl,--as-needed"
