#!/usr/bin/env bash
# Copies a finished sweep's report and manifests to docs/results/SWEEP, with paths
# from the repository's root on. The report is that of the manifests, without learning
# curves: mobilellm-sweep report docs/results/SWEEP/manifests makes it again.
set -eu
sweep=$1
from=runs/$sweep to=docs/results/$sweep
rm -rf "$to"
mkdir -p "$to/manifests"
# Configurations are in run.yaml.
sed -e "s|$PWD/||g" -e 's|"config": ".*"|"config": ""|' "$from/sweep.json" >"$to/manifests/sweep.json"
for result in "$from"/*/result.json; do
	member=$(basename "$(dirname "$result")")
	mkdir -p "$to/manifests/$member"
	for file in "$result" "$(dirname "$result")/run.yaml"; do
		sed "s|$PWD/||g" "$file" >"$to/manifests/$member/$(basename "$file")"
	done
done
bin/mobilellm-sweep report "$to/manifests" --out "$to" >/dev/null
