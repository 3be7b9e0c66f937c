#!/usr/bin/env bash
# Trains one run on two ranks in two network namespaces of this machine, joined by a veth pair
# of limited rate, and prints a step's time beside the model of mobilellm-train --dry-run
# --ranks (docs/scale.md). Needs root, ip and tc (iproute2), Open MPI and jq.
#
#   scripts/bench-network.sh [RATE …]      1gbit 100mbit
#
# CONFIG (15m.yaml), BATCH (8), SEQ (512) and STEPS (8) change the run. Times are medians, the
# first two steps left out.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/bin config=${CONFIG:-15m.yaml} batch=${BATCH:-8} seq=${SEQ:-512} steps=${STEPS:-8}
[ $# -gt 0 ] || set -- 1gbit 100mbit
for tool in ip tc mpirun.openmpi jq; do
	command -v $tool >/dev/null || { echo "bench-network: $tool is missing (apt-get install iproute2 openmpi-bin jq)" >&2; exit 1; }
done
work=$(mktemp -d)
a=mobilellm-a b=mobilellm-b
clean() {
	ip netns del $a 2>/dev/null || true
	ip netns del $b 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT
ip netns add $a
ip netns add $b
ip link add eth-a netns $a type veth peer name eth-b netns $b
for n in a b; do
	ip -n mobilellm-$n link set lo up
	ip -n mobilellm-$n link set eth-$n up
done
ip -n $a addr add 10.77.0.1/24 dev eth-a
ip -n $b addr add 10.77.0.2/24 dev eth-b

# What ssh would be: AGENT HOST COMMAND… in the namespace of that address, under a host name of its own.
cat >"$work/agent" <<'AGENT'
#!/bin/sh
host=$1
shift
exec ip netns exec mobilellm-b unshare --uts sh -c "hostname rank-b; $*"
AGENT
chmod +x "$work/agent"

head -n 40000 < <(yes 'words of a text that is long enough to be trained on, again and again') >"$work/text.txt"
run=(--config "$config" --data "$work/text.txt" --steps "$steps" --set train.batch=$batch --set data.seq=$seq --set data.tokenizer=bytes
	--set data.heldout_tokens=4096 --set eval.every=0 --set checkpoint.every=0 --set metrics.tensorboard=false)

# train NAME OPTIONS… -- KEYS…: two ranks of one worker each; medians of step, wire and wait.
train() {
	local name=$1
	shift
	local mpi=()
	while [ "$1" != -- ]; do mpi+=("$1"); shift; done
	shift
	"${mpi[@]}" "$bin/mobilellm-train" "${run[@]}" --out "$work/$name" "$@" >"$work/$name.log" 2>&1 || { cat "$work/$name.log" >&2; exit 1; }
	jq -rs --argjson tokens $((batch * seq)) '
		def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
		[.[] | select(.loss)][2:] | [map($tokens / .tokens_per_second) , map(.wire_seconds), map(.wire_wait_seconds)] | map(median) | @tsv' "$work/$name/metrics.jsonl"
}

here=(mpirun.openmpi --allow-run-as-root --bind-to core -n 2)
there=(ip netns exec $a unshare --uts sh -c 'hostname rank-a; exec "$0" "$@"' mpirun.openmpi --allow-run-as-root --bind-to none -n 2
	--host 10.77.0.1:1,10.77.0.2:1 --mca plm_rsh_agent "$work/agent" --mca btl tcp,self
	--mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 -x PATH -x GOMAXPROCS=1)
report() { # NETWORK GRADIENTS STEP MODEL WIRE WAIT
	jq -rn --arg rate "$1" --arg c "$2" "[$3, $4, $5, $6] as [\$s, \$m, \$w, \$u] |
		def two: . * 100 | round / 100; \"| \(\$rate) | \(\$c) | \(\$s | two) | \(\$s - \$u | two) | \(\$m | two) | \((\$m / \$s - 1) * 100 | round) % | \(\$w | two) | \((1 - \$u / \$w) * 100 | round) % |\""
}
printf '%s, %d × %d tokens a step on two ranks\n\n' "$config" "$batch" "$seq"
printf '| network | gradients | step, s | of it computing | model, s | off by | on the wire, s | hidden |\n|---|---|---:|---:|---:|---:|---:|---:|\n'
read -r step wire wait < <(train memory "${here[@]}" --)
report memory none "$step" "$step" "$wire" "$wait"
for rate in "$@"; do
	for n in a b; do
		tc -n mobilellm-$n qdisc replace dev eth-$n root tbf rate "$rate" burst 256kb latency 50ms
	done
	for compress in none bf16; do
		read -r step wire wait < <(train "$rate-$compress" "${there[@]}" -- --set collective.compress=$compress)
		compute=$(jq -n "$step - $wait")
		model=$("$bin/mobilellm-train" "${run[@]}" --set collective.compress=$compress --dry-run --json --ranks 2 --network "$rate" --compute "$compute" 2>/dev/null | jq '.scale.step_seconds - .scale.update_seconds')
		report "$rate" $compress "$step" "$model" "$wire" "$wait"
	done
done
