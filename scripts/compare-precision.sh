#!/usr/bin/env bash
# Trains a small model for 1,000 steps in float32 and in bf16 from the same seeds
# (SEEDS="1 2 3"), plots the curves of the first (docs/results/precision.svg) and
# prints the validation losses at the end and how far they differ.
set -eu
out=${OUT:-runs/precision}
rm -rf "$out"
for seed in ${SEEDS:-1 2 3}; do
	for precision in float32 bf16; do
		bin/mobilellm-train --config quickstart.yaml --out "$out/$seed/$precision" --steps 1000 \
			--set train.precision=$precision --set train.seed="$seed" --set train.batch=16 --set optim.lr=2e-3 \
			--set optim.name=adamw --set optim.schedule=cosine --set optim.warmup_steps=30 --set optim.min_lr_ratio=0.1 \
			--set data.seq=128 --set model.context=128 --set model.vocab_size=1024 \
			--set model.layers=4 --set model.layer_sharing.strategy=none --set model.dim=128 \
			--set model.heads=4 --set model.kv_heads=2 --set model.ffn_dim=384 \
			--set eval.every=100 --set checkpoint.every=1000 >/dev/null
	done
done
venv=$(scripts/venv.sh matplotlib==3.10.7)
"$venv/bin/python" scripts/plot_precision.py "$out" docs/results/precision.svg
