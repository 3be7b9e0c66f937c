#!/usr/bin/env bash
# Trains a small model for 1,000 steps in float32 and in bf16 from one seed, and
# plots both curves (docs/results/precision.svg). Prints the difference of the
# final held-out losses.
set -eu
out=${OUT:-runs/precision}
rm -rf "$out"
for precision in float32 bf16; do
	bin/mobilellm-train --config quickstart.yaml --out "$out/$precision" --steps 1000 \
		--set train.precision=$precision --set train.batch=8 --set data.seq=128 --set model.context=128 \
		--set model.dim=64 --set model.heads=2 --set model.ffn_dim=192 --set model.layers=6 --set model.vocab_size=1024 \
		--set eval.every=100 --set checkpoint.every=1000 >/dev/null
done
venv=$(scripts/venv.sh matplotlib==3.10.7)
"$venv/bin/python" scripts/plot_precision.py "$out" docs/results/precision.svg
