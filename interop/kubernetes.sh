#!/usr/bin/env bash
# Checks the Indexed Job that mobilellm-sweep writes, and docs/scale/mpijob.yaml, against
# Kubernetes' own schema, with kubernetes-validate from PyPI, and starts what the MPIJob's
# launcher does with mpirun in the place of the pods.
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
"$venv/bin/python" interop/kubernetes_mpijob.py docs/scale/mpijob.yaml
go build -o "$work/" ./cmd/mobilellm-train
mkdir -p "$work/data"
cp "$work/text.txt" "$work/data/corpus"
"$venv/bin/python" -c '
import sys, yaml
print(yaml.safe_load(open(sys.argv[1]))["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["args"][0].replace("/data/", sys.argv[2] + "/data/"))
' docs/scale/mpijob.yaml "$work" >"$work/launcher.sh"
cat >"$work/mpirun" <<'MPIRUN'
#!/bin/sh
while [ "$1" != mobilellm-train ]; do shift; done
exec "$@" --print-config
MPIRUN
chmod +x "$work/mpirun"
PATH=$work:$PATH sh "$work/launcher.sh" >"$work/first.yaml"
grep -q "$work/data/corpus" "$work/first.yaml"
mkdir -p "$work/data/runs/corpus"
cp "$work/first.yaml" "$work/data/runs/corpus/run.yaml"
PATH=$work:$PATH sh "$work/launcher.sh" >"$work/again.yaml"
cmp "$work/first.yaml" "$work/again.yaml"
echo 'ok: the launcher begins a run, and goes on with one that is there'
