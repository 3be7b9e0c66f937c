#!/usr/bin/env bash
# Trains a tiny model on one GPU and on all of this machine's, a rank on each, by NCCL: the
# losses must agree to 1e-4, and those of as many ranks the second time to the bit. Needs two
# GPUs, Open MPI and NCCL (libnccl.so.2; MOBILELLM_NCCL names a file elsewhere).
#
# PROGRAM is a mobilellm-train for GPUs (bin/mobilellm-train), RANKS how many to start, STEPS
# for how many steps, DEVICE where (cuda).
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${PROGRAM:-bin/mobilellm-train}") steps=${STEPS:-50}
ranks=${RANKS:-$( (nvidia-smi -L 2>/dev/null || true) | wc -l)}
if [ "$ranks" -lt 2 ]; then
	echo "test-nccl: needs two GPUs, here are $ranks" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -n 2000 < <(yes 'a deep and thin model reads this line') >"$work/text.txt"
cat >"$work/tiny.yaml" <<CONF
model: {vocab_size: 257, layers: 2, dim: 32, heads: 4, kv_heads: 2, ffn_dim: 64, context: 32}
data: {train: [$work/text.txt], tokenizer: bytes, seq: 32, heldout_tokens: 256}
optim: {lr: 3e-3, warmup_steps: 2}
train: {steps: $steps, batch: $((2 * ranks)), micro_batch: 1, precision: float32}
eval: {every: 0}
checkpoint: {every: 0, keep: 1}
device: ${DEVICE:-cuda}
CONF
losses() { sed -n 's/.*"loss":\([^,]*\),"lr".*"grad_norm":\([^,]*\),.*/\1 \2/p' "$work/$1/metrics.jsonl"; }
run() { # NAME LAUNCHER…
	local name=$1
	shift
	"$@" "$program" --config "$work/tiny.yaml" --out "$work/$name" >"$work/$name.log" 2>&1 || { cat "$work/$name.log" >&2; exit 1; }
	losses "$name" >"$work/$name.losses"
	[ "$(wc -l <"$work/$name.losses")" -eq "$steps" ] || { echo "test-nccl: $name has $(wc -l <"$work/$name.losses") steps of $steps" >&2; exit 1; }
}
run one env
run all mpirun.openmpi --allow-run-as-root --oversubscribe -n "$ranks"
run again mpirun.openmpi --allow-run-as-root --oversubscribe -n "$ranks"
cmp "$work/all.losses" "$work/again.losses"
paste -d ' ' "$work/one.losses" "$work/all.losses" | awk -v ranks="$ranks" '
	function size(x) { return x < 0 ? -x : x }
	{ d = size($1 - $3); if (d > worst) worst = d; n = size($2 - $4) / $2; if (n > norm) norm = n }
	END { printf "ok: %d steps of one GPU and of %d differ by at most %.1e in their losses, %.1e in the norms\n", NR, ranks, worst, norm; exit worst > 1e-4 || norm > 1e-3 }'
