#!/usr/bin/env bash
# Runs a sweep's job array under a real Slurm: Debian's slurm-wlm as a cluster of this
# one machine, started for the purpose and stopped at the end. One member is told to
# stop on the way, as at a time limit: it must save, be queued again and finish. Then one run
# on two ranks, by docs/scale/slurm.sh, that runs out of time: it must come back and end as the
# run of two ranks that has the time.
#
# Needs root, as slurmd does. Installs slurm-wlm and Open MPI where they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null || ! command -v mpirun.openmpi >/dev/null || ! compgen -G '/usr/lib/*/pmix2/lib/libpmix.so' >/dev/null; then
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge openmpi-bin libpmix-dev >/dev/null # Slurm opens libpmix.so, which Debian has in the last
fi
work=$(mktemp -d)
chmod 755 "$work"
started=()
stop() {
	code=$?
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	if [ $code -ne 0 ]; then tail -n 20 "$work"/*.log "$work"/sweep/logs/*.txt 2>/dev/null || true; fi
	rm -rf "$work"
	exit $code
}
trap stop EXIT

# munge vouches for who sends a message.
mkdir -m 700 "$work/munge"
head -c 1024 /dev/urandom >"$work/munge/key"
chmod 400 "$work/munge/key"
mkdir -m 755 "$work/socket"
munged --foreground --force --key-file="$work/munge/key" --socket="$work/socket/munge" --pid-file="$work/munge/pid" \
	--log-file="$work/munge/log" --seed-file="$work/munge/seed" &
started+=($!)

host=$(hostname -s)
mkdir "$work/state" "$work/spool"
cat >"$work/slurm.conf" <<CONF
ClusterName=interop
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/socket/munge
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldPort=16817
SlurmdPort=16818
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$work/slurm.conf
slurmctld -D -i >"$work/slurmctld.log" 2>&1 &
started+=($!)
slurmd -D -N "$host" >"$work/slurmd.log" 2>&1 &
started+=($!)
for _ in $(seq 60); do
	if sinfo -h -o %t 2>/dev/null | grep idle >/dev/null; then break; fi
	sleep 1
done
sinfo
sinfo -h -o %t | grep idle >/dev/null

# Three members of a second or so, and one that is at work long enough to be stopped.
go build -o "$work/bin/" ./cmd/mobilellm-sweep
head -n 2000 < <(yes 'a deep and thin model reads this line') >"$work/text.txt"
cat >"$work/tiny.yaml" <<CONF
model: {vocab_size: 257, layers: 2, dim: 32, heads: 4, kv_heads: 2, ffn_dim: 64, context: 32}
data: {train: [$work/text.txt], tokenizer: bytes, seq: 32}
optim: {lr: 3e-3, warmup_steps: 2}
train: {steps: 20, batch: 4, micro_batch: 4}
eval: {every: 0}
checkpoint: {every: 0, keep: 1}
CONF
cat >"$work/stops.yaml" <<CONF
base: tiny.yaml
members:
  - name: long
    tokens: 4000000
  - name: one
    set: {model: {layers: 1}}
  - name: three
    set: {model: {layers: 3}}
CONF
"$work/bin/mobilellm-sweep" slurm "$work/stops.yaml" --out "$work/sweep" --cpus 1 --memory 0.5 --time 1h
sed -i 's/^#SBATCH --mem=.*//' "$work/sweep/slurm.sh" # a machine of unknown memory counts as having none
job=$(sbatch --parsable "$work/sweep/slurm.sh")
echo "submitted job array $job"

status() { "$work/bin/mobilellm-sweep" status "$work/sweep"; }
for _ in $(seq 120); do
	if status | grep ' long .*running *[1-9]' >/dev/null; then break; fi
	sleep 0.5
done
scancel --batch --signal=TERM "${job}_0"
echo "told member 0 to stop:"
for _ in $(seq 60); do
	if status | grep ' long .*interrupted' >/dev/null; then break; fi
	sleep 1
done
status
status | grep ' long .*interrupted' >/dev/null
squeue -a
for _ in $(seq 60); do # Slurm holds what is queued again for two minutes; this need not wait
	scontrol update "JobId=${job}_0" StartTime=now 2>/dev/null && break
	sleep 1
done
for _ in $(seq 300); do
	if [ -z "$(squeue -h -a -j "$job" 2>/dev/null)" ]; then break; fi
	sleep 1
done
status
status | grep '3 runs: 3 finished' >/dev/null
grep -q 'resuming' "$work"/sweep/logs/slurm-*_0.txt
scontrol show job "$job" | grep 'Restarts=1' >/dev/null
echo "ok: the array ran to its end, and the member that was stopped went on from its checkpoint"

go build -o "$work/bin/" ./cmd/mobilellm-train
script=$PWD/docs/scale/slurm.sh
cd "$work"
export PATH=$work/bin:$PATH RUN=$work/ranks HOURS=0.004
ranks=(--config "$work/tiny.yaml" --steps 2000 --set train.micro_batch=1)
job=$(sbatch --parsable --ntasks=2 --ntasks-per-node=2 --cpus-per-task=1 --time=10 --output="$work/ranks.log" "$script" "${ranks[@]}")
echo "submitted run on two ranks $job"
queued=0
for _ in $(seq 300); do
	state=$(squeue -h -a -o %T -j "$job" 2>/dev/null || true)
	if [ -z "$state" ] || [ "$state" = COMPLETED ]; then break; fi
	again=$(scontrol show job "$job" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p')
	if [ "$state" = PENDING ] && [ "$again" -gt $queued ]; then # this need not wait for two minutes
		scontrol update "JobId=$job" StartTime=now+5 && queued=$again
	fi
	sleep 1
done
restarts=$(scontrol show job "$job" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p')
tail -n 3 "$work/ranks.log"
[ "$restarts" -ge 1 ]
grep 'interrupted by train.max_hours' "$work/ranks.log" >/dev/null
mpirun.openmpi --allow-run-as-root --oversubscribe -n 2 mobilellm-train "${ranks[@]}" --out whole >/dev/null 2>&1
cmp ranks/checkpoints/step-00002000/model.safetensors whole/checkpoints/step-00002000/model.safetensors
echo "ok: the run on two ranks was queued again $restarts times, and ended with the bits of the unbroken one"
