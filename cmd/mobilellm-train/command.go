package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"mobilellm/collective"
	"mobilellm/configs"
	"mobilellm/device"
	"mobilellm/eval/training"
	"mobilellm/internal/cli"
	"mobilellm/optim"
	"mobilellm/report"
	"mobilellm/train"
)

// flags are the command line.
type flags struct {
	config      string
	ranks       int
	compute     float64
	network     string
	size        cli.Count
	tokens      cli.Count
	out         string
	resume      string
	init        string
	replay      string
	data        []string
	separator   string
	set         []string
	device      string
	seed        uint64
	steps       int
	overfit     int
	dryRun      bool
	json        bool
	profile     bool
	printConfig bool
}

// latest is what --resume without a path stands for.
const latest = "latest"

const description = `Train a MobileLLM: a deep and thin language model of less than a billion
parameters (Liu et al., ICML 2024).

Without arguments it trains quickstart.yaml on the Go source tree of the
installed toolchain. --config takes a file or the name of an embedded
configuration:
%s.

--init takes the shape of the model from the one that it names; a configuration
that sets another is a mistake, the embedded ones aside, unless init.layers or
init.wider_vocab maps it. The model is scored before the first step too.

A run's folder holds run.yaml (the resolved configuration), metrics.jsonl and
checkpoints/. Ctrl-C or SIGTERM saves and stops, once more stops at once; SIGUSR1
saves and goes on. --resume goes on from the last checkpoint with the losses of the
unbroken run. The command report shows how runs went,
also while they go on.

Exit codes:
    0  done
    1  error
    2  mistake on the command line or in the configuration
    3  stopped by a loss or gradient that is not finite, or by train.spike_guard
    4  a checkpoint could not be written; the one before is whole
    5  another rank ended, or did not answer in time; see docs/scale.md
   75  stopped by train.max_hours; saved, to be resumed
  130  interrupted by Ctrl-C; saved
  143  interrupted by SIGTERM; saved`

const examples = `  mobilellm-train
  mobilellm-train --config 125m.yaml --data corpus/ --out runs/corpus
  mobilellm-train --config 125m.yaml --data x.txt --set train.batch=4 --dry-run
  mobilellm-train --size 25M --tokens 100M --data corpus/
  mobilellm-train --resume runs/corpus`

func newCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:     "mobilellm-train",
		Short:   "Train a MobileLLM",
		Long:    fmt.Sprintf(description, strings.Join(configs.Names(), ", ")),
		Example: examples,
		Args: func(c *cobra.Command, args []string) error {
			if f.resume == latest && len(args) == 1 {
				f.resume = args[0] // "--resume PATH", as "--resume=PATH"
				return nil
			}
			return cli.NoArguments("text to train on is named by --data PATH")(c, args)
		},
		RunE: func(c *cobra.Command, _ []string) error { return f.main(c) },
	}
	l := c.Flags()
	l.StringVar(&f.config, "config", "", "configuration: a file or an embedded one (quickstart.yaml; on --resume the run's own)")
	l.Var(&f.size, "size", "in place of --config: a model of about so many parameters, such as 25M, by the paper's rules, and a recipe for it; --print-config > FILE keeps both as YAML")
	l.Var(&f.tokens, "tokens", "with --size: tokens that the recipe is for, such as 300M (20 a parameter)")
	l.StringArrayVar(&f.data, "data", nil, "text to train on: file, folder, glob, .gz, .jsonl, .json, .parquet, token shards; may be repeated (data.train)")
	l.StringVar(&f.separator, "document-separator", "", "text between the documents of a file, such as '<|endoftext|>' (data.document_separator)")
	l.StringVar(&f.out, "out", "", "the run's folder (runs/CONFIG-N)")
	l.StringVar(&f.resume, "resume", "", "go on with the run in --out or at PATH, or from the checkpoint at PATH")
	l.Lookup("resume").NoOptDefVal = latest
	l.StringVar(&f.init, "init", "", "start from the weights of this model (a Hugging Face folder, a GGUF file, a run's folder or a checkpoint), with a fresh optimizer")
	l.StringVar(&f.replay, "replay", "", "run the batch in this crash folder again, which a run left that was stopped by its loss or gradient, and say what becomes of it; --set changes precision, recompute or micro-batch")
	l.StringArrayVar(&f.set, "set", nil, "set a key of the configuration, such as optim.lr=6e-4, to YAML, text whole; may be repeated")
	l.IntVar(&f.steps, "steps", 0, "updates of the weights (train.steps), in place of train.epochs")
	l.Uint64Var(&f.seed, "seed", 0, "seed of weights and sample order (train.seed)")
	l.StringVar(&f.device, "device", "", "auto, cpu or cuda (device)")
	l.IntVar(&f.overfit, "overfit-batch", 0, "train on one batch of this many sequences in every step, to see whether the model learns at all")
	l.BoolVar(&f.dryRun, "dry-run", false, "print what the run would take, and stop")
	l.IntVar(&f.ranks, "ranks", 0, "with --dry-run: plan for so many ranks, each on a machine like this one")
	l.StringVar(&f.network, "network", "", "with --ranks: what joins the machines, a rate and, where you know it, a message's latency: 10Gbit,50us (1Gbit)")
	l.Float64Var(&f.compute, "compute", 0, "with --ranks: seconds that a rank computes in a step, as measured, in place of an estimate")
	l.BoolVar(&f.json, "json", false, "print results as JSON")
	l.BoolVar(&f.profile, "profile", false, "print the time of each operation at the end")
	l.BoolVar(&f.printConfig, "print-config", false, "print the resolved configuration with each key's meaning, and stop")
	c.AddCommand(newReport())
	return c
}

func (f *flags) main(c *cobra.Command) error {
	if err := f.alone(); err != nil {
		return err
	}
	resume, out, err := f.resumed()
	if err != nil {
		return err
	}
	config, resolved, err := f.load(c, resume)
	if err != nil {
		return err
	}
	if err := f.planRanks(&config); err != nil {
		return err
	}
	group := collective.Single()
	if !f.printConfig && !f.dryRun && f.replay == "" {
		if group, err = collective.Open(); err != nil {
			return err
		}
	}
	progress := train.NewProgress(os.Stderr, term.IsTerminal(int(os.Stderr.Fd())))
	if group.Rank() > 0 {
		progress = train.NewProgress(io.Discard, false)
	}
	for _, warning := range resolved.Warnings {
		progress.Note("%s", warning)
	}
	switch {
	case f.printConfig:
		return configs.Print(c.OutOrStdout(), &config)
	case f.dryRun:
		return f.plan(c, config)
	case f.replay != "":
		return f.rerun(c, config, progress)
	}
	if resolved.Origin("data.train").Kind <= configs.FromFile && trainsOnGo(config) && resume == "" {
		progress.Note("training on the Go source tree of the installed toolchain; --data PATH takes another text")
	}
	o := train.Options{
		Resume: resume, Newest: resume != "" && f.resume == latest, Restart: resume == "" && f.resume == latest, Init: f.init, Overfit: f.overfit > 0, Profile: f.profile, Versions: cli.Versions(), Progress: progress, Tasks: training.Open, SaveNow: saveNow(),
		Sampler: training.Sample, Sink: report.Sink, Group: group,
	}
	o.Out, o.Numbered = f.folder(out)
	return f.train(c, config, o)
}

// alone refuses what does not go with --size, or without it.
func (f *flags) alone() error {
	if f.replay != "" && (f.config != "" || f.resume != "" || f.init != "" || f.out != "") {
		return cli.Usagef("--replay takes configuration and weights from its folder: --config, --resume, --init and --out do not go with it")
	}
	if !f.dryRun && (f.ranks != 0 || f.network != "" || f.compute != 0) {
		return cli.Usagef("--ranks, --network and --compute go with --dry-run\nhint: mpirun -n %d mobilellm-train … starts ranks", max(2, f.ranks))
	}
	if (f.network != "" || f.compute != 0) && f.ranks == 0 {
		return cli.Usagef("--network and --compute go with --ranks N, the machines that are joined")
	}
	if f.size == 0 {
		if f.tokens != 0 {
			return cli.Usagef("--tokens goes with --size, whose recipe it chooses\nhint: --steps N sets how long any other run takes")
		}
		return nil
	}
	for _, other := range []struct{ flag, value string }{{"--config", f.config}, {"--resume", f.resume}, {"--init", f.init}, {"--replay", f.replay}} {
		if other.value != "" {
			return cli.Usagef("--size and %s exclude each other: both say what the model is", other.flag)
		}
	}
	return nil
}

// planRanks makes config one of several ranks' where a plan is asked for them.
func (f *flags) planRanks(config *train.RunConfig) error {
	if f.ranks == 0 {
		return nil
	}
	net, err := train.ParseNetwork(cmp.Or(f.network, "1Gbit"))
	if err == nil {
		err = config.ForRanks(f.ranks)
	}
	if err != nil {
		return cli.Usagef("--ranks %d: %w", f.ranks, err)
	}
	if !(f.compute >= 0) || math.IsInf(f.compute, 0) {
		return cli.Usagef("--compute (%g) must be a number of seconds", f.compute)
	}
	config.OnNetwork(net, f.compute)
	return nil
}

// resumed finds the checkpoint to go on from, empty for none, and its folder.
func (f *flags) resumed() (checkpoint, out string, err error) {
	switch {
	case f.resume == "":
		return "", f.out, nil
	case f.init != "":
		return "", "", cli.Usagef("--init and --resume exclude each other: a resumed run has its own weights")
	case f.resume == latest && f.out == "":
		return "", "", cli.Usagef("--resume needs the run's folder, in --out or as --resume PATH, or a checkpoint: --resume PATH%s", train.RunsHint())
	case f.resume == latest:
		checkpoint, err = train.LatestCheckpoint(f.out)
		return checkpoint, f.out, err
	}
	run, checkpoint, err := train.FindRun(f.resume)
	switch {
	case err != nil:
		return "", "", err
	case checkpoint != "":
		return checkpoint, cmp.Or(f.out, run), nil
	case f.out == "": // as --resume --out RUN
		f.out, f.resume = run, latest
		checkpoint, err = train.LatestCheckpoint(run)
		return checkpoint, run, err
	}
	if checkpoint, err = train.LatestCheckpoint(run); err == nil && checkpoint == "" {
		err = fmt.Errorf("the run in %s has no checkpoint yet to go on from", run)
	}
	return checkpoint, f.out, err
}

// load reads the configuration: on resume the run's own, unless another is named. With
// --size the recipe is Muon's, which is for processors; AdamW's in builds for GPUs, and
// where another device or optimizer is set.
func (f *flags) load(c *cobra.Command, resume string) (train.RunConfig, *configs.Resolved, error) {
	recipe := optim.NameMuon
	if device.Validate("cuda") == nil {
		recipe = optim.NameAdamW
	}
	config, resolved, err := f.read(c, resume, recipe)
	if err != nil || f.size == 0 {
		return config, resolved, err
	}
	wanted := config.Optim.Name
	if recipe == optim.NameMuon && config.Device != "cpu" {
		wanted = optim.NameAdamW
	}
	if wanted != recipe {
		return f.read(c, resume, wanted)
	}
	return config, resolved, nil
}

// read is load with the recipe of --size.
func (f *flags) read(c *cobra.Command, resume, recipe string) (train.RunConfig, *configs.Resolved, error) {
	config := train.DefaultRun()
	name := f.config
	switch {
	case f.size != 0:
		var err error
		if config, err = f.sized(recipe); err != nil {
			return config, nil, err
		}
	case name != "":
	case f.replay != "":
		saved, err := train.CrashConfig(f.replay)
		if err != nil {
			return config, nil, fmt.Errorf("replay: %w", err)
		}
		config = *saved
	case resume != "":
		name = filepath.Join(train.RunFolder(resume), train.RunFile)
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) { // the checkpoint has it too
			saved, err := train.ConfigOf(resume)
			if err != nil {
				return config, nil, err
			}
			config, name = *saved, ""
		}
	case f.resume == latest: // a run without a checkpoint begins anew
		name = filepath.Join(f.out, train.RunFile)
	default:
		name = "quickstart.yaml"
	}
	set := map[string]any{}
	changed := c.Flags().Changed
	if changed("data") {
		set["data.train"] = f.data
	}
	if changed("document-separator") {
		set["data.document_separator"] = f.separator
	}
	if changed("steps") {
		set["train.steps"], set["train.epochs"] = f.steps, 0.0
	}
	if changed("seed") {
		set["train.seed"] = f.seed
	}
	if changed("device") {
		set["device"] = f.device
	}
	if changed("overfit-batch") {
		if f.overfit < 1 {
			return config, nil, cli.Usagef("--overfit-batch (%d) must be at least 1", f.overfit)
		}
		set["train.batch"] = f.overfit
	}
	source := configs.Source{Name: name, Set: f.set, Flags: set, EnvPrefix: "MOBILELLM"}
	if f.init != "" {
		source.Held = "model"
		if err := config.StartFrom(f.init); err != nil {
			return config, nil, err
		}
	}
	resolved, err := configs.Load(&config, source)
	if err != nil {
		return config, nil, cli.Usage(err)
	}
	if f.size == 0 && f.init == "" && f.replay == "" && resume == "" && !resolved.Sets("model") {
		resolved.Warnings = append(resolved.Warnings, fmt.Sprintf(
			"%s sets no model: it is the %.0fM of 125m.yaml; another comes from extends: NAME or a model: section", name, float64(config.Model.ParameterCount())/1e6))
	}
	return config, resolved, config.AbsolutePaths()
}

// sized is the run that --size stands for, by that optimizer.
func (f *flags) sized(optimizer string) (train.RunConfig, error) {
	c, err := train.ForSize(int64(f.size), int64(f.tokens), optimizer)
	if err != nil {
		return c, cli.Usagef("--size %s: %w", &f.size, err)
	}
	if f.steps > 0 {
		c.Pace(f.steps)
	}
	return c, nil
}

func trainsOnGo(c train.RunConfig) bool {
	return len(c.Data.Train) == 1 && c.Data.Train[0].Path == "go-source"
}

// folder is the run's folder: the one asked for, or where it is none of those that are
// numbered, their common beginning.
func (f *flags) folder(out string) (dir string, numbered bool) {
	if out != "" {
		return out, false
	}
	name := strings.TrimSuffix(filepath.Base(f.config), filepath.Ext(f.config))
	switch {
	case f.size != 0:
		name = strings.ToLower(f.size.String())
	case f.config == "":
		name = "quickstart"
	}
	return filepath.Join("runs", name), true
}
