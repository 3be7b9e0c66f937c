#!/usr/bin/env bash
# Checks the Indexed Job that mobilellm-sweep writes against Kubernetes' own schema,
# with kubernetes-validate from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(scripts/venv.sh kubernetes-validate==1.37.0)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/" ./cmd/mobilellm-sweep
head -n 2000 < <(yes 'a deep and thin model reads this line') >"$work/text.txt"
"$work/mobilellm-sweep" kubernetes experiments/table1.yaml --set "data.train=[$work/text.txt]" --set data.tokenizer=bytes \
	--out "$work/Table_1 of the paper" --volume-claim sweeps --jobs 4
"$venv/bin/kubernetes-validate" --strict "$work/Table_1 of the paper/kubernetes.yaml"
