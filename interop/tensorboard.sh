#!/usr/bin/env bash
# Trains a tiny model, interrupted and resumed, and reads its event files with PyPI's
# tensorboard (tensorboard_events.py); with --golden writes report/tensorboard/testdata/golden.tfevents
# by that library instead, which our reader is tested with.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t packages < <(grep -v '^#' interop/requirements-tensorboard.txt)
python=$(scripts/venv.sh "${packages[@]}")/bin/python
if [ "${1-}" = --golden ]; then
	exec "$python" interop/tensorboard_events.py --golden report/tensorboard/testdata/golden.tfevents
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
GOEXPERIMENT="${GOEXPERIMENT-simd}" go build -o "$work/" ./cmd/mobilellm-train
exec "$python" interop/tensorboard_events.py --train "$work/mobilellm-train"
