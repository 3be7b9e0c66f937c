#!/usr/bin/env bash
# Made this folder once, from configs/, text/, stories.jsonl and tokenizers/:
#
#	make.sh BIN PLAIN
#
# BIN holds the commands of commit f944537 (make build), PLAIN its mobilellm-train
# without cgo and SIMD (CGO_ENABLED=0 GOEXPERIMENT= go build). It writes nothing
# where there is something already: what a later program writes proves nothing.
set -euo pipefail
bin=$(realpath "$1") plain=$(realpath "$2")
cd "$(dirname "$0")"
made="runs tokens taught exports expected"
for name in $made; do
	if [ -e "$name" ]; then
		echo "$name is there already" >&2
		exit 1
	fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r configs text stories.jsonl tokenizers "$work"
here=$PWD
cd "$work"
export GOMAXPROCS=1 # workers, and so the order of sums
mkdir runs exports expected

train() { "$bin/mobilellm-train" --config "configs/$1.yaml" --out "runs/$1" >"$1.log" 2>&1 || { cat "$1.log" >&2; exit 1; }; }

for name in bpe pieces foreign bytes; do train "$name"; done
"$bin/mobilellm-data" tokenize --tokenizer tokenizers/st.model --shard-tokens 900 --out tokens stories.jsonl
"$bin/mobilellm-data" teach --teacher runs/pieces/checkpoints/best --shards tokens --out taught --k 3 --seq 32 --device cpu
for name in taught mixture; do train "$name"; done

# Where the same runs come to from step 4 on other devices.
last() { tail -c "+$((9 + $(od -An -t u8 -N 8 "$1")))" "$1" | sha256sum | cut -d ' ' -f 1; } # of a file's tensors
resumed() { # resumed NAME OUT TRAIN
	local out=elsewhere/$1-$2
	"$3" --resume "runs/$1/checkpoints/step-00000004" --out "$out" >"$1.log" 2>&1 || { cat "$1.log" >&2; exit 1; }
	local end=$out/checkpoints/step-00000008
	{
		printf '{"device":"%s","weights":"%s","moments":"%s"}\n' "$(sed -n 's/^  device: \(.*\) # What.*/\1/p' "$out/run.yaml")" \
			"$(last "$end/model.safetensors")" "$(last "$end/optimizer.safetensors")"
		grep -E '"step":[5-8],' "$out/metrics.jsonl"
	} >"expected/$1-$2.jsonl"
}
for run in runs/*; do
	name=$(basename "$run")
	MOBILELLM_ONEDNN=/none resumed "$name" avx512 "$bin/mobilellm-train"
	resumed "$name" plain "$plain/mobilellm-train"
done

# Logits, tokens, texts and other programs' formats.
for run in runs/*; do
	"$bin/mobilellm-export" logits --model "$run/checkpoints/step-00000008" --tokens 3,250 >"expected/$(basename "$run").logits.json"
done
for name in bpe pieces foreign bytes; do
	checkpoint=runs/$name/checkpoints/step-00000008
	cat text/*.txt | "$bin/mobilellm-data" encode --tokenizer "$checkpoint" >"expected/$name.ids"
	"$bin/mobilellm-data" tokenize --tokenizer "$checkpoint" --out "elsewhere/$name-tokens" text >"$name.log"
	sed -n 's/^  "tokenizer": "\(.*\)",/\1/p' "elsewhere/$name-tokens/manifest.json" >"expected/$name.tokenizer"
done
for name in bpe bytes; do
	"$bin/mobilellm-generate" --model "runs/$name/checkpoints/step-00000008" --prompt 'The ferry' --temperature 0.8 --seed 3 --max-tokens 20 >"expected/$name.text"
done
"$bin/mobilellm-export" --model runs/pieces/checkpoints/step-00000008 --format gguf --type q8_0 --out exports/pieces.gguf
"$bin/mobilellm-export" --model runs/pieces/checkpoints/step-00000008 --format llama2c --out exports/pieces.bin
"$bin/mobilellm-export" --model runs/bpe/checkpoints/step-00000008 --format gguf --out exports/bpe.gguf
"$bin/mobilellm-export" --model runs/foreign/checkpoints/step-00000008 --format hf --type bf16 --out exports/foreign
for name in pieces.gguf pieces.bin bpe.gguf foreign; do
	"$bin/mobilellm-export" logits --model "exports/$name" --tokens 3,250 >"expected/exports-$name.logits.json"
done

# What computed.
{
	sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1
	sed -n '/^flags/{p;q}' /proc/cpuinfo | sha256sum | cut -d ' ' -f 1
} >expected/processor

# Paths as seen from this folder, and nothing of the process.
find runs -name .lock -delete
find runs -name run.yaml -o -name state.json | xargs sed -i "s#$work/##g"
if grep -rlF "$work" $made; then
	echo "holds paths of this machine" >&2
	exit 1
fi
cp -r $made "$here"
