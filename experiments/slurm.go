package experiments

import (
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"
)

// SlurmOptions are what a job array needs beside the sweep.
type SlurmOptions struct {
	Dir       string // of the sweep, absolute, on every node
	Program   string // mobilellm-sweep, absolute, on every node
	CPUs      int    // of a member
	Memory    int64  // of a member, bytes
	AtOnce    int    // members; 0 is all
	Time      time.Duration
	Partition string        // empty is the cluster's default
	Save      time.Duration // before the time limit in which a member saves
}

var slurmScript = template.Must(template.New("slurm").Funcs(template.FuncMap{"quote": quote}).Parse(`#!/bin/bash
#SBATCH --job-name={{.Name}}
#SBATCH --array=0-{{.Last}}{{if .AtOnce}}%{{.AtOnce}}{{end}}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={{.CPUs}}
#SBATCH --mem={{.Megabytes}}M
#SBATCH --time={{.Limit}}
#SBATCH --requeue
#SBATCH --signal=B:TERM@{{.SaveSeconds}}
#SBATCH --open-mode=append
#SBATCH --output="{{.Dir}}/logs/slurm-%A_%a.txt"
{{if .Partition}}#SBATCH --partition={{.Partition}}
{{end}}
# A task for each member of the sweep. Before its time limit, or when its node is
# wanted by others, a task gets SIGTERM: its member saves and ends with code 143, and
# the task is queued again. Code 75 is a member that another process has, or which
# needs one that is not trained yet: the task looks again later. What is finished ends at once.
{{quote .Program}} member {{quote .Dir}} --index "$SLURM_ARRAY_TASK_ID" --workers "$SLURM_CPUS_PER_TASK" &
member=$!
trap 'kill -TERM "$member"' TERM
wait "$member"
code=$?
while kill -0 "$member" 2>/dev/null; do # the signal has ended the waiting
	wait "$member"
	code=$?
done
case $code in
143) scontrol requeue "$SLURM_JOB_ID" ;;
75)
	sleep 60
	scontrol requeue "$SLURM_JOB_ID"
	;;
*) exit "$code" ;;
esac
`))

// Slurm writes a batch script for a job array of the sweep's members.
func (s *Sweep) Slurm(w io.Writer, o SlurmOptions) error {
	if strings.ContainsAny(o.Dir+o.Program, "\n'\"%\\") {
		return fmt.Errorf("sweep folder %q or program %q has a character that a batch script cannot hold", o.Dir, o.Program)
	}
	return slurmScript.Execute(w, struct {
		SlurmOptions
		Name        string
		Last        int
		Megabytes   int64
		Limit       string
		SaveSeconds int
	}{o, s.Name, len(s.Members) - 1, megabytes(o.Memory), slurmTime(o.Time), int(o.Save.Seconds())})
}

// megabytes rounds up.
func megabytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// slurmTime is D-HH:MM:SS.
func slurmTime(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d-%02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
}

func quote(text string) string { return "'" + text + "'" }
