#!/usr/bin/env bash
# Compares a training step with PyTorch's on this machine, alternating runs.
# ROWS names some of the rows (default all), RUNS their repetitions (5). DEVICE=cuda
# compares on a GPU, with a build for it (make build-gpu). PYTHON names a Python with
# torch and transformers in place of those from PyPI.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-$(scripts/venv.sh torch==2.15.0 transformers==5.23.0)/bin/python}
if [ "${DEVICE:-cpu}" = cuda ] && [ -z "${MOBILELLM_CUBLASLT:-}" ]; then
	# The library that PyTorch brings, if it does: both then multiply with the same one,
	# and no other need be installed.
	MOBILELLM_CUBLASLT=$("$python" -c '
import glob, importlib.util, os
packages = os.path.dirname(os.path.dirname(importlib.util.find_spec("torch").origin))
print(*sorted(glob.glob(packages + "/nvidia/*/lib/libcublasLt.so.1[23]"))[-1:])')
	export MOBILELLM_CUBLASLT
fi
exec "$python" scripts/peers/compare.py --bench bin/mobilellm-bench --python "$python" \
	--device "${DEVICE:-cpu}" --runs "${RUNS:-5}" ${ROWS:+--rows $ROWS}
