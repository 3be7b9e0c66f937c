#!/bin/sh
# Train tiny models and check that transformers, ONNX Runtime, llama.cpp and
# llama2.c's format agree with this program about them.
#
#   interop/run.sh [--update-table] [--keep DIR]
#
# Needs Go, Python 3.10 or later, cmake and a C++ compiler (for llama.cpp), and on
# the first run the network: the tools of requirements.txt go into a virtual
# environment under the user's cache folder, named by a hash of that list.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
python=${PYTHON:-python3}

key=$({ cat "$here/requirements.txt"; "$python" --version; } | sha256sum | cut -c1-12)
venv="${XDG_CACHE_HOME:-$HOME/.cache}/mobilellm/interop-$key"
if [ ! -f "$venv/complete" ]; then
	echo "making $venv; llama.cpp is compiled, which takes minutes" >&2
	rm -rf "$venv"
	"$python" -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
	: >"$venv/complete"
fi

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
cd "$root"
GOEXPERIMENT="${GOEXPERIMENT:-simd}" go build -o "$bin/" ./cmd/mobilellm-train ./cmd/mobilellm-generate ./cmd/mobilellm-export
"$venv/bin/python" "$here/interop.py" --bin "$bin" "$@"
