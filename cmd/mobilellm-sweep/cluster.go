package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"mobilellm/experiments"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/cli"
	"mobilellm/train"
)

// cluster is what the commands for clusters share: the sweep is planned, written
// and its text encoded here, so that the members find it.
type cluster struct {
	source
	cpus   int
	memory float64 // GB
	jobs   int
	save   time.Duration
}

func (f *cluster) flags(c *cobra.Command) {
	f.source.flags(c)
	l := c.Flags()
	l.IntVar(&f.cpus, "cpus", 2, "processors of a run")
	l.Float64Var(&f.memory, "memory", 0, "memory of a run in GB (a quarter more than the largest is planned to take)")
	l.IntVar(&f.jobs, "jobs", 0, "runs at once (all)")
	l.DurationVar(&f.save, "save", 2*time.Minute, "time that a run has to save when it must stop")
}

// prepare makes the sweep's folder ready and says how much memory a member needs.
func (f *cluster) prepare(c *cobra.Command, name string) (sweep *experiments.Sweep, dir string, memory int64, err error) {
	if f.cpus < 1 || f.jobs < 0 || f.memory < 0 || f.save < time.Second {
		return nil, "", 0, cli.Usagef("--cpus (%d) must be at least 1, --jobs (%d) and --memory (%g) at least 0, --save (%s) at least 1s", f.cpus, f.jobs, f.memory, f.save)
	}
	if sweep, dir, err = f.sweep(name); err != nil {
		return nil, "", 0, err
	}
	plan, err := sweep.Plan(c.Context(), 1)
	if err != nil {
		return nil, "", 0, err
	}
	if err := printPlan(os.Stderr, sweep, plan); err != nil {
		return nil, "", 0, err
	}
	if err := sweep.Save(dir); err != nil {
		return nil, "", 0, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o777); err != nil {
		return nil, "", 0, err
	}
	text := train.NewProgress(os.Stderr, term.IsTerminal(int(os.Stderr.Fd())))
	err = sweep.Prepare(c.Context(), dir, text.Stage)
	text.Done()
	memory = int64(f.memory * 1e9)
	if memory == 0 {
		memory = plan.Memory + plan.Memory/4
	}
	return sweep, dir, memory, err
}

func newSlurm() *cobra.Command {
	var f cluster
	var limit time.Duration
	var partition string
	c := &cobra.Command{
		Use:   "slurm FILE|SWEEP",
		Short: "Write a Slurm job array of a sweep",
		Long: `Plan an experiment and write slurm.sh into the sweep's folder: a job array with a task
for each member. The folder and this program must be at the same paths on every node.
A task that reaches its time limit saves, is queued again and goes on from there.`,
		Args: oneArg("experiment's file or sweep's folder"),
		RunE: func(c *cobra.Command, args []string) error {
			sweep, dir, memory, err := f.prepare(c, args[0])
			if err != nil {
				return err
			}
			o := experiments.SlurmOptions{CPUs: f.cpus, Memory: memory, AtOnce: f.jobs, Time: limit, Partition: partition, Save: f.save}
			if o.Dir, err = filepath.Abs(dir); err != nil {
				return err
			}
			if o.Program, err = os.Executable(); err != nil {
				return err
			}
			var script bytes.Buffer
			if err := sweep.Slurm(&script, o); err != nil {
				return err
			}
			return writeJob(c, filepath.Join(dir, "slurm.sh"), script.Bytes(), "sbatch")
		},
	}
	f.flags(c)
	l := c.Flags()
	l.DurationVar(&limit, "time", 24*time.Hour, "time limit of a task")
	l.StringVar(&partition, "partition", "", "partition (the cluster's default)")
	return c
}

func newKubernetes() *cobra.Command {
	var f cluster
	var o experiments.KubernetesOptions
	c := &cobra.Command{
		Use:   "kubernetes FILE|SWEEP --volume-claim NAME",
		Short: "Write a Kubernetes Indexed Job of a sweep",
		Long: `Plan an experiment and write kubernetes.yaml into the sweep's folder: an Indexed Job
with a pod for each member. The folder must lie on the volume of --volume-claim, which
many pods may write.`,
		Args: oneArg("experiment's file or sweep's folder"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.Claim == "" {
				return cli.Usagef("--volume-claim is missing\nhint: name the PersistentVolumeClaim on which the sweep's folder lies")
			}
			sweep, dir, memory, err := f.prepare(c, args[0])
			if err != nil {
				return err
			}
			o.CPUs, o.Memory, o.AtOnce, o.Save = f.cpus, memory, f.jobs, f.save
			if o.Path == "" {
				o.Path = "/runs/" + filepath.Base(dir)
			}
			var job bytes.Buffer
			if err := sweep.Kubernetes(&job, o); err != nil {
				return err
			}
			return writeJob(c, filepath.Join(dir, "kubernetes.yaml"), job.Bytes(), "kubectl apply -f")
		},
	}
	f.flags(c)
	l := c.Flags()
	l.StringVar(&o.Image, "image", "mobilellm", "image with mobilellm-sweep, as the Dockerfile makes it")
	l.StringVar(&o.Claim, "volume-claim", "", "PersistentVolumeClaim with the sweep's folder")
	l.StringVar(&o.Path, "path", "", "the sweep's folder in a pod; the volume is mounted on its parent (/runs/SWEEP)")
	return c
}

func writeJob(c *cobra.Command, path string, text []byte, submit string) error {
	if err := atomicfile.Write(path, text); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s\nnext: %s %s\n", path, submit, path)
	return err
}
