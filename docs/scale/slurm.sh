#!/bin/bash
# One run on the nodes of a Slurm job, which comes back until the run is done:
#
#   sbatch --nodes 8 docs/scale/slurm.sh --config 125m.yaml --data corpus/
#
# At the time limit, less what a checkpoint takes, the run saves and ends with code 75, and the
# job is queued again; so it is when a rank or its node was lost (code 5, or what srun makes of
# a signal), up to 20 times. (On Debian srun --mpi=pmix wants the package libpmix-dev.) RUN names the run's folder, which all nodes reach.
#SBATCH --job-name=mobilellm
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
run=${RUN:-runs/$SLURM_JOB_NAME}
hours=${HOURS:-23.8}
export GOMAXPROCS=${SLURM_CPUS_PER_TASK:-1}
if [ -e "$run/run.yaml" ]; then
	set -- --resume --out "$run"
else
	set -- "$@" --out "$run"
fi
srun --mpi="${MPI:-pmix}" --kill-on-bad-exit mobilellm-train "$@" --set "train.max_hours=$hours"
code=$?
case $code in
0) exit 0 ;;
75) ;;                                                        # out of time, saved
5 | 137 | 143) [ "${SLURM_RESTART_COUNT:-0}" -lt 20 ] || exit $code ;; # a rank was lost
*) exit $code ;;                                              # what another try would not mend
esac
scontrol requeue "$SLURM_JOB_ID"
