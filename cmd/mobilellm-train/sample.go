package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mobilellm/infer"
	"mobilellm/train"
)

const (
	sampleTokens = 160
	// sampleTime keeps the sample of a large model from taking longer than a look
	// at it is worth.
	sampleTime = 20 * time.Second
)

// sample shows what the model in a checkpoint writes.
func sample(ctx context.Context, w io.Writer, config train.RunConfig, checkpoint string) (err error) {
	dev, err := train.OpenDevice("cpu", 0, nil) // where infer's kernels are
	if err != nil {
		return err
	}
	defer dev.Close()
	m, err := infer.Load(checkpoint, dev)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	prompt := m.Prompt(samplePrompt(config))
	if len(prompt) == 0 {
		return nil
	}
	fmt.Fprintf(w, "sample:\n\n%s", strings.TrimLeft(samplePrompt(config), "\n"))
	limited, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	s := infer.NewStream(w, m.Tokenizer, prompt...)
	err = m.Generate(limited, prompt, infer.Options{MaxTokens: sampleTokens, Temperature: 0.7, TopP: 0.95, Seed: config.Train.Seed}, s.Token)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	err = errors.Join(err, s.Close())
	fmt.Fprint(w, "\n\n")
	return err
}

// samplePrompt begins a text of the kind that the model was trained on.
func samplePrompt(config train.RunConfig) string {
	if trainsOnGo(config) {
		return "\n\nfunc ("
	}
	return ""
}
