package experiments

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mobilellm/data"
	"mobilellm/data/shard"
	"mobilellm/internal/atomicfile"
	"mobilellm/tokenizer"
	"mobilellm/train"
)

const corpusDir = "corpus"

// Stage hears how far a preparation has come, in units of its own.
type Stage func(name string, done, total int64)

// prepared is c with the text of its members as tokens within the sweep's folder.
// Whoever wants them first makes them; the others wait. A tokenizer is learnt once,
// so that every member has the same.
func prepared(ctx context.Context, dir string, c train.RunConfig, stage Stage) (train.RunConfig, error) {
	plain, err := c.Data.PlainText()
	if err != nil || !plain {
		return c, err
	}
	path, err := corpusPath(dir, &c)
	if err != nil {
		return c, err
	}
	if err := shared(ctx, dir, path, func() error { return makeCorpus(ctx, dir, path, &c, stage) }); err != nil {
		return c, fmt.Errorf("preparing the text: %w", err)
	}
	c.Data.Train = data.Sources{{Path: filepath.Join(path, "train"), Weight: 1}}
	c.Data.Heldout = data.Texts(filepath.Join(path, "heldout"))
	if c.Data.Tokenizer == data.TokenizerTrain {
		c.Data.Tokenizer = path
	}
	return c, nil
}

// corpusPath is the folder of a text's tokens. What changes the tokens is in its
// name.
func corpusPath(dir string, c *train.RunConfig) (string, error) {
	d := c.Data
	var heldout []string
	for _, s := range d.Heldout {
		heldout = append(heldout, s.Path)
	}
	key := struct {
		Train     data.Sources
		Heldout   []string // of plain text
		Fraction  float64
		Tokenizer string
		Vocab     int
		Start     data.Start
		Parse     bool
		Field     string `json:",omitempty"` // and below: where it is not the usual
		Column    string `json:",omitempty"`
		Separator string `json:",omitempty"`
	}{d.Train, heldout, d.HeldoutFraction, d.Tokenizer, 0, d.DocumentStart, d.ParseSpecial, unusual(d.Field), unusual(d.Column), d.DocumentSeparator}
	if d.Tokenizer == data.TokenizerTrain {
		key.Vocab = c.Model.VocabSize
	}
	raw, err := json.Marshal(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return filepath.Join(dir, corpusDir, hex.EncodeToString(sum[:])[:idDigits]), nil
}

// unusual is the name of a field or column that is not the usual one of text.
func unusual(name string) string {
	if name == data.TextField {
		return ""
	}
	return name
}

// shared makes a folder once among all processes of a sweep.
func shared(ctx context.Context, dir, path string, make func() error) error {
	watch, id := newWatch(), "corpus-"+filepath.Base(path)
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		over, ok, err := watch.look(dir, id)
		if err != nil {
			return err
		}
		if ok {
			claim, err := acquire(dir, id, over)
			if err == nil {
				return claim.with(ctx, make)
			}
			if !errors.Is(err, ErrClaimed) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// with holds the claim while f runs.
func (c *Claim) with(ctx context.Context, f func() error) error {
	ctx, stop := context.WithCancel(ctx)
	held := make(chan struct{})
	go func() {
		defer close(held)
		c.hold(ctx, func() {})
	}()
	err := f()
	stop()
	<-held
	return errors.Join(err, c.release())
}

// makeCorpus reads and encodes the text and gives the folder its name once it is
// whole.
func makeCorpus(ctx context.Context, dir, path string, c *train.RunConfig, stage Stage) error {
	if _, err := os.Stat(path); err == nil {
		return nil // made while this process waited for its turn
	}
	set, err := data.Load(ctx, c.Data, data.LoadOptions{Vocab: c.Model.VocabSize, LeaveOut: []string{dir}, Progress: stage})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	if err := atomicfile.SweepPath(path); err != nil {
		return err
	}
	tmp, err := atomicfile.CreateFolder(path)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // what an error or another process leaves of it
	if err := set.Tokenizer.SaveAlone(tmp); err != nil {
		return err
	}
	for name, corpus := range map[string]*data.TokenCorpus{"train": set.Train, "heldout": set.Heldout} {
		if err := writeCorpus(ctx, filepath.Join(tmp, name), corpus, set.Tokenizer); err != nil {
			return err
		}
	}
	err = atomicfile.CommitFolder(tmp, path)
	if _, made := os.Stat(path); err != nil && made == nil {
		return nil // by a process that held this one for dead
	}
	return err
}

// writeCorpus writes a corpus as one token shard: the tokens that runs on the text
// itself would have, what opens the first document and ends the last included.
func writeCorpus(ctx context.Context, dir string, corpus *data.TokenCorpus, tok *tokenizer.Tokenizer) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	meta := shard.Meta{Width: shard.WidthFor(tok.VocabSize()), Vocab: tok.VocabSize(), BOS: tok.Special().Start, EOS: shard.None, Tokenizer: tok.Fingerprint()}
	if end, ok := tok.Special().End(); ok && end != meta.BOS {
		meta.EOS = end
	}
	w, err := shard.Create(filepath.Join(dir, shard.Name(0)), meta)
	if err != nil {
		return err
	}
	docs := corpus.Documents()
	var from int64
	for i := range docs {
		to := corpus.Len()
		if i+1 < len(docs) {
			to = docs[i+1]
		}
		ids := make([]int32, to-from)
		corpus.Read(ids, from)
		if err := errors.Join(ctx.Err(), w.Append(ids)); err != nil {
			w.Abort()
			return err
		}
		w.EndDocument(corpus.TextBytes(from, to))
		from = to
	}
	_, err = w.Finish()
	return err
}

// Prepare makes the text of every member ready that is not finished, so that their
// runs find it there.
func (s *Sweep) Prepare(ctx context.Context, dir string, stage Stage) error {
	for _, m := range s.Members {
		if finished(dir, m.ID) {
			continue
		}
		c, err := m.run()
		if err != nil {
			return err
		}
		if _, err := prepared(ctx, dir, c, stage); err != nil {
			return err
		}
	}
	return nil
}
