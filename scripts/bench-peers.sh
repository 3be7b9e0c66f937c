#!/usr/bin/env bash
# Compares a training step with PyTorch's on this machine, alternating runs.
# ROWS names some of the rows (default all), RUNS their repetitions (5). DEVICE=cuda
# compares on a GPU, with a build for it (make build-gpu).
set -eu
venv=$(scripts/venv.sh torch==2.15.0 transformers==5.23.0)
exec "$venv/bin/python" scripts/peers/compare.py --bench bin/mobilellm-bench --python "$venv/bin/python" \
	--device "${DEVICE:-cpu}" --runs "${RUNS:-5}" ${ROWS:+--rows $ROWS}
