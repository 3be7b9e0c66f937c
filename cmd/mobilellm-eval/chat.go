package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/eval"
	"mobilellm/eval/tasks"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer/chat"
)

// withConstrained adds to tasks what they are where answers are held to a grammar.
func (f *flags) withConstrained(list []eval.Task) ([]eval.Task, error) {
	added := false
	for _, t := range list {
		for _, other := range tasks.All() {
			if !other.Constrained || other.Name != t.Name+"-constrained" {
				continue
			}
			added = true
			if !slices.ContainsFunc(list, func(t eval.Task) bool { return t.Name == other.Name }) {
				list = append(list, other)
			}
			if file, ok := f.options.Files[t.Name]; ok {
				f.options.Files[other.Name] = file
			}
		}
	}
	if !added {
		return nil, cli.Usagef("--constrained: none of the tasks can be answered so\nhint: --tasks %s can", tasks.APICalling.Name)
	}
	return list, nil
}

// checkChat reads the flags of conversations.
func (f *flags) checkChat() (err error) {
	if f.template != "" {
		source, err := chat.SourceOf(f.template)
		if err != nil {
			return cli.Usagef("--chat-template: %w", err)
		}
		if f.options.Template, err = chat.Parse(source); err != nil {
			return fmt.Errorf("--chat-template: %w", err)
		}
		sum := sha256.Sum256([]byte(source))
		f.templateSum = hex.EncodeToString(sum[:6])
	}
	if f.name == "" {
		f.name = filepath.Base(filepath.Clean(f.model))
	}
	if f.name != filepath.Base(f.name) || f.name == "." || f.name == ".." {
		return cli.Usagef("--model-name (%s) must name a file", f.name)
	}
	return nil
}

// keep writes the answers of tasks that other programs judge.
func (f *flags) keep(s eval.Sample, list []eval.Answer) error {
	out := s.Task.Output
	if f.answers == "" || out == nil {
		return nil
	}
	path := filepath.Join(f.answers, filepath.FromSlash(strings.ReplaceAll(out.Path, "NAME", f.name)))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return atomicfile.WriteFunc(path, func(w io.Writer) error { return out.Write(w, f.name, s.Items, list) })
}
