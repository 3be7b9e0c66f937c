package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"mobilellm/data/conversation"
	"mobilellm/device"
	"mobilellm/eval/training"
	"mobilellm/internal/cli"
	"mobilellm/internal/jsonfloat"
	"mobilellm/train"
)

// plan prints what a run would take.
func (f *flags) plan(c *cobra.Command, config train.RunConfig) error {
	dev, err := device.Open(config.Device, 0, nil)
	if err != nil {
		return err
	}
	defer dev.Close()
	missing := config.CheckFiles()
	if len(config.Eval.Tasks) > 0 {
		if _, err := training.Open(c.Context(), config.Eval); err != nil {
			missing = errors.Join(missing, fmt.Errorf("eval.tasks: %w", err))
		}
	}
	p, err := train.NewPlan(c.Context(), config, dev)
	if err != nil {
		return errors.Join(err, missing)
	}
	out := c.OutOrStdout()
	if f.json {
		return errors.Join(cli.PrintJSON(out, p), missing)
	}
	m := p.Memory
	fmt.Fprintf(out, "parameters       %d (%.1fM)\n", p.Parameters, float64(p.Parameters)/1e6)
	if p.Trained != p.Parameters {
		fmt.Fprintf(out, "trained          %d (%.2fM)\n", p.Trained, float64(p.Trained)/1e6)
	}
	fmt.Fprintf(out, "FLOPs per token  %.2fM, forward and backward pass\n", float64(p.FLOPsPerToken)/1e6)
	if t := p.Teacher; t != nil {
		fmt.Fprintf(out, "teacher          %.1fM parameters; its forward pass: %.2fM FLOPs per token, %.2f GB, about %.0f %% of the time (%s)\n",
			float64(t.Parameters)/1e6, float64(t.FLOPsPerToken)/1e6, gb(t.MemoryBytes), 100*t.TimeShare, t.Time())
	}
	fmt.Fprintf(out, "steps            %d of %d × %d tokens, %d tokens in all\n", p.Steps, p.Batch, p.Seq, p.Tokens)
	for _, text := range p.Texts() {
		fmt.Fprintf(out, "text             about %s\n", text)
	}
	fmt.Fprintf(out, "micro-batch      %d sequences, %s, recompute %s\n", p.MicroBatch, p.Precision, p.Recompute)
	fmt.Fprintf(out, "memory           %.2f GB: weights %.2f, gradients %.2f, optimizer %.2f, activations %.2f, scoring %.2f, teacher %.2f, copy to save %.2f, tasks %.2f, text %.2f, process %.2f\n",
		gb(p.MemoryBytes), gb(m.Weights), gb(m.Gradients), gb(m.Optimizer), gb(m.Activations), gb(m.Scoring), gb(m.Teacher), gb(m.Saving), gb(m.Tasks), gb(m.Data), gb(m.Process))
	fmt.Fprintf(out, "device           %s, peak %.0f GFLOP/s, measured just now\n", p.Device, p.PeakFLOPS/1e9)
	if s := p.Scale; s != nil {
		fmt.Fprintf(out, "ranks            %d, joined by %s; each as above\n", s.Ranks, s.Network)
		fmt.Fprintf(out, "step             %.3g s: computing %.3g, update %.3g, %.1f MB sent by each rank in %.3g, %.0f %% of it hidden; %.0f %% of the speed of ranks that need not speak\n",
			s.Step, s.Compute, s.Update, float64(s.Sent)/1e6, s.Wire, 100*s.Hidden, 100*s.Efficiency)
	}
	fmt.Fprintf(out, "time             about %s, if the run reaches %.0f %% of that peak\n",
		p.Time(), 100*p.AssumedMFU)
	for _, note := range p.Notes {
		fmt.Fprintln(out, note)
	}
	return missing
}

func gb(n int64) float64 { return float64(n) / 1e9 }

// outcome is what came out of a run, under the names of metrics.jsonl.
type outcome struct {
	Step            int64           `json:"step"`
	Tokens          int64           `json:"tokens"`
	Loss            float64         `json:"loss"`
	HeldoutLoss     jsonfloat.Float `json:"heldout_loss,omitempty"`
	HeldoutBefore   jsonfloat.Float `json:"heldout_loss_before,omitempty"` // any step, with --init
	BitsPerByte     jsonfloat.Float `json:"bits_per_byte,omitempty"`
	Perplexity      jsonfloat.Float `json:"perplexity,omitempty"`
	Checkpoint      string          `json:"checkpoint"`
	MemoryBytes     int64           `json:"memory_bytes"`      // as planned
	PeakMemoryBytes int64           `json:"peak_memory_bytes"` // VmHWM
}

func newOutcome(r *train.Result) outcome {
	o := outcome{
		Step: r.Step, Tokens: r.Tokens, Loss: r.Loss, Checkpoint: r.Checkpoint,
		MemoryBytes: r.Memory.Total(), PeakMemoryBytes: r.PeakMemory,
	}
	if h := r.Heldout; h != nil {
		o.HeldoutLoss, o.BitsPerByte, o.Perplexity = h.HeldoutLoss, h.BitsPerByte, h.Perplexity
	}
	if h := r.Before; h != nil {
		o.HeldoutBefore = h.HeldoutLoss
	}
	return o
}

// train runs the training and reports.
func (f *flags) train(c *cobra.Command, config train.RunConfig, o train.Options) (err error) {
	defer func() {
		if err == nil || errors.Is(err, train.ErrInterrupted) { // after another error the others may not come
			err = errors.Join(err, o.Group.Close())
		}
	}()
	result, err := train.Run(c.Context(), config, o)
	if rank := o.Group.Rank(); rank > 0 {
		if err != nil {
			err = fmt.Errorf("rank %d: %w", rank, err)
		}
		return err
	}
	if result != nil && result.Profile != nil {
		w := c.OutOrStdout()
		if f.json {
			w = c.ErrOrStderr() // standard output is one JSON object
		}
		if err := result.Profile.Write(w, result.PeakFLOPS/1e9); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if f.json {
		return cli.PrintJSON(out, newOutcome(result))
	}
	fmt.Fprintf(out, "trained %d steps: train loss %.4f", result.Step, result.Loss)
	if h := result.Heldout; h != nil {
		fmt.Fprintf(out, ", validation loss %.4f, %.3f bits per byte, perplexity %.2f", h.HeldoutLoss, h.BitsPerByte, h.Perplexity)
	}
	if h := result.Before; h != nil {
		fmt.Fprintf(out, "\nbefore the first step: validation loss %.4f, %.3f bits per byte, perplexity %.2f", h.HeldoutLoss, h.BitsPerByte, h.Perplexity)
	}
	fmt.Fprintf(out, "\npeak memory %.2f GB, planned %.2f\n", gb(result.PeakMemory), gb(result.Memory.Total()))
	fmt.Fprintf(out, "checkpoint %s\n\n", result.Checkpoint)
	if config.Data.Has(conversation.Chat) {
		fmt.Fprintf(out, "next: mobilellm-generate --model %s --chat\n", result.Out)
		return nil
	}
	if err := sample(c.Context(), out, config, result.Checkpoint); err != nil {
		return err
	}
	fmt.Fprintf(out, "next: mobilellm-generate --model %s --prompt %q\n", result.Out, samplePrompt(config))
	return nil
}
