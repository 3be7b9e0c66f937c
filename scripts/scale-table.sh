#!/usr/bin/env bash
# Prints, as a Markdown table, what the model of mobilellm-train --dry-run --ranks says of the
# shipped sizes: the speed of N ranks over that of N that need not speak, for a batch of 512
# sequences. A rank computes at RATE FLOP/s (165e9: 55 % of two cores' 300 GFLOP/s).
set -euo pipefail
cd "$(dirname "$0")/.."
rate=${RATE:-165e9}
plan() { bin/mobilellm-train --config "$1" --data README.md --set data.tokenizer=bytes --set train.batch=512 --set train.micro_batch=1 --set train.precision=float32 --set device=cpu --dry-run --json "${@:2}" 2>/dev/null; }
printf '| size | ranks | seconds a step | 1 Gbit/s | 1 Gbit/s, bf16 | 10 Gbit/s | 100 Gbit/s | 400 Gbit/s |\n|---|---:|---:|---:|---:|---:|---:|---:|\n'
for size in "${@:-15m 125m 350m 1b}"; do
	for config in $size; do
		flops=$(plan "$config.yaml" | jq '.flops_per_token * .batch * .seq')
		for ranks in 8 64 512; do
			compute=$(jq -n "$flops / $ranks / $rate")
			row=$(jq -rn "\"| $config | $ranks | \($compute * 100 | round / 100) |\"")
			for net in '1Gbit none' '1Gbit bf16' '10Gbit none' '100Gbit none' '400Gbit none'; do
				read -r network compress <<<"$net"
				row+=$(plan "$config.yaml" --ranks $ranks --network "$network" --compute "$compute" --set "collective.compress=$compress" | jq -r '" \(.scale.efficiency * 100 | round) % |"')
			done
			echo "$row"
		done
	done
done
