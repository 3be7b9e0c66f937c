#!/usr/bin/env bash
# lm-evaluation-harness scores SmolLM2-135M-Instruct through mobilellm-serve as through
# transformers, on ITEMS items (20), half ARC-easy, half HellaSwag, of the files in DATA
# (lm_eval_server.py). 200 take a quarter of an hour.
set -eu
cd "$(dirname "$0")/.."
data=${DATA:-../shared/data/eval}
if [ ! -d "$data" ]; then
	echo "note: $data is not there, name the folder of the tasks' files by DATA" >&2
	exit 0
fi
mapfile -t packages < <(grep -v '^#' interop/requirements.txt)
base=$(scripts/venv.sh "${packages[@]}")
# The harness takes PyTorch and transformers from that environment.
PYTHONPATH=$("$base/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
export PYTHONPATH
venv=$(scripts/venv.sh lm-eval==0.4.13 datasets==5.2.0 evaluate==0.4.6 accelerate==1.15.0 tenacity==9.2.1)
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOEXPERIMENT="${GOEXPERIMENT-simd}" go build -o "$bin/" ./cmd/mobilellm-serve
"$venv/bin/python" interop/lm_eval_server.py --bin "$bin" --data "$data" --items "${ITEMS:-20}" "$(interop/smollm2.sh)"
