#!/usr/bin/env bash
# Makes the golden files again with independent implementations from PyPI, in a
# virtual environment under the user's cache folder.
set -eu
venv=$(scripts/venv.sh torch==2.15.0 transformers==5.23.0 tokenizers safetensors numpy scipy statsmodels gguf==0.19.0 compressed-tensors==0.20.1 rouge-score==0.1.2)
for script in $(git ls-files '*/testdata/golden.py' '*/testdata/*/golden.py' 'arch/testdata/parameters.py' 'engine/op/testdata/ropescaling.py' 'engine/testdata/precision.py'); do
	echo "$script"
	(cd "$(dirname "$script")" && "$venv/bin/python" "$(basename "$script")")
done
# Adapters, by peft.
venv=$(scripts/venv.sh torch==2.15.0 transformers==5.23.0 peft==0.21.2)
for script in train/testdata/lora.py checkpoint/testdata/adapter.py; do
	(cd "$(dirname "$script")" && "$venv/bin/python" "$(basename "$script")")
done
# lm-evaluation-harness's prompts, of the data sets in ../shared.
if [ -d ../shared/data/eval ]; then
	venv=$(scripts/venv.sh lm-eval==0.4.13 datasets==5.2.0 evaluate==0.4.6)
	(cd eval/tasks/testdata && "$venv/bin/python" harness.py)
fi
