package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mobilellm/device"
	"mobilellm/infer"
	"mobilellm/train"
)

const (
	// Several, as a small model often loses itself in a row of zeros.
	sampleCount  = 3
	sampleTokens = 50
	// sampleTime keeps the samples of a large model from taking longer than a look
	// at them is worth.
	sampleTime = 20 * time.Second
)

// sample shows what the model in a checkpoint writes.
func sample(ctx context.Context, w io.Writer, config train.RunConfig, checkpoint string) (err error) {
	dev, err := device.Open(config.Device, 0, nil)
	if err != nil {
		return err
	}
	defer dev.Close()
	m, err := infer.Load(checkpoint, dev, infer.LoadOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	prompt := m.Tokenizer.Prompt(samplePrompt(config))
	if len(prompt) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	for i := range uint64(sampleCount) {
		fmt.Fprintf(w, "sample %d:\n\n%s", i+1, strings.TrimLeft(samplePrompt(config), "\n"))
		s := m.NewStream(w, prompt...)
		err := m.Generate(limited, prompt, infer.Options{MaxTokens: sampleTokens, Temperature: 0.8, TopP: 0.95, Slide: true, Seed: config.Train.Seed + i}, s.Token)
		err = errors.Join(err, s.Close())
		fmt.Fprint(w, "\n\n")
		switch {
		case limited.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
	}
	return nil
}

// samplePrompt begins a text of the kind that the model was trained on.
func samplePrompt(config train.RunConfig) string {
	if trainsOnGo(config) {
		return "\n\nfunc ("
	}
	return ""
}
