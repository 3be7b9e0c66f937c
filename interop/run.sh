#!/usr/bin/env bash
# Train tiny models and check that transformers, ONNX Runtime, llama.cpp and
# llama2.c's format agree with this program about them (interop.py), and the
# tokenizers and sentencepiece libraries about the ids of odd texts with every kind
# of tokenizer (tokenizer_ids.py); then check a real model (real_model.py), openai-python
# and curl with a server of it (openai_client.py), and the server's page in a browser.
#
#   interop/run.sh [--update-table] [--case NAME] [--keep DIR]
#
# NAME is a model's or a kind's of tokenizers.
#
# Needs Go, Python 3.10 or later, cmake and a C++ compiler (for llama.cpp), and on
# the first run the network: the tools of requirements.txt go into a virtual
# environment under the user's cache folder, named by a hash of that list.
set -eu
cd "$(dirname "$0")/.."
mapfile -t packages < <(grep -v '^#' interop/requirements.txt)
venv=$(scripts/venv.sh "${packages[@]}")

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOEXPERIMENT="${GOEXPERIMENT-simd}" go build -o "$bin/" ./cmd/mobilellm-train ./cmd/mobilellm-generate ./cmd/mobilellm-export ./cmd/mobilellm-data ./cmd/mobilellm-eval ./cmd/mobilellm-serve
status=0
"$venv/bin/python" interop/interop.py --bin "$bin" "$@" || status=1
"$venv/bin/python" interop/tokenizer_ids.py --bin "$bin" "$@" || status=1
case " $* " in
*" --help "*) ;;
*" --case "*) ;; # one case only
*)
	model=$(interop/smollm2.sh)
	"$venv/bin/python" interop/real_model.py --bin "$bin" "$model" || status=1
	client=$(scripts/venv.sh openai==3.57.0 "$(grep '^numpy==' interop/requirements.txt)")
	"$client/bin/python" interop/openai_client.py --bin "$bin" "$model" || status=1
	GOEXPERIMENT="${GOEXPERIMENT-simd}" go test -count=1 -v -run '^TestPage$' ./cmd/mobilellm-serve || status=1
	;;
esac
exit $status
