#!/usr/bin/env bash
# Compares inference with llama.cpp, transformers and OpenVINO on SmolLM2-135M-Instruct
# (MobileLLM-125M's shape) on this machine, alternating runs. PEERS names some of them,
# PRECISIONS bf16, float32, w8a8 or w8a8-head, the last two beside q8_0
# (default bf16 float32), BATCH the texts at once of a further row (16;
# 1 for none), RUNS their repetitions (3).
set -eu
cd "$(dirname "$0")/.."
mapfile -t packages < <(grep -v '^#' interop/requirements.txt)
python=$(scripts/venv.sh "${packages[@]}")/bin/python
openvino=$(scripts/venv.sh optimum-intel==2.2.0 openvino==2026.4.1 nncf==3.4.0)/bin
folder=$(interop/smollm2.sh)
for type in f32 bf16 q8_0; do
	name=${type/f32/float32}
	[ -e "$folder.$name.gguf" ] || bin/mobilellm-export --model "$folder" --format gguf --type $type --out "$folder.$name.gguf"
done
if [ ! -e "$folder.openvino" ]; then
	rm -rf "$folder.openvino.part"
	"$openvino/optimum-cli" export openvino --model "$folder" --task text-generation-with-past --weight-format fp32 "$folder.openvino.part" >&2
	mv "$folder.openvino.part" "$folder.openvino"
fi
"$python" scripts/peers/infer_compare.py --bench bin/mobilellm-bench --folder "$folder" --gguf "$folder.{}.gguf" --openvino "$folder.openvino" \
	--python "$python" --openvino-python "$openvino/python" --runs "${RUNS:-3}" --batch "${BATCH:-16}" ${PEERS:+--peers $PEERS} ${PRECISIONS:+--precisions $PRECISIONS}
