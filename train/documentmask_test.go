package train

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"mobilellm/data"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
)

// documents are texts of a few bytes, each in a file of its own.
func documents(t *testing.T) data.Sources {
	t.Helper()
	dir := t.TempDir()
	for i := range 300 {
		sum := fmt.Sprintf("%d+1=%d", i, i+1)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.txt", i)), []byte(sum), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return data.Sources{{Path: dir, Weight: 1}}
}

// The masked programs of a run see each document of a batch as if it were alone,
// in held-out text and in what the loader packs.
func TestDocumentMask(t *testing.T) {
	c := tiny(t)
	c.Data.Train, c.Data.DocumentMask = documents(t), true
	c.Model = c.Model.Resolved()
	set, err := data.Load(context.Background(), c.Data, data.LoadOptions{Vocab: c.Model.VocabSize})
	if err != nil {
		t.Fatal(err)
	}
	dev := cpu.New(cpu.Options{Workers: 2})
	defer dev.Close()
	w, err := newWeights(dev, c.Model.Parameters(), engine.WeightOptions{Gradients: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := initialise(w, c.Model.Parameters(), 0.2, 1, dev); err != nil {
		t.Fatal(err)
	}

	loader, err := data.NewLoader(set.Train, data.LoaderConfig{Batch: 3, Seq: c.Data.Seq, Packing: data.PackDocuments, Docs: true})
	if err != nil {
		t.Fatal(err)
	}
	defer loader.Close()
	packed, err := loader.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	heldout, err := data.HeldoutBatches(set.Heldout, 3, c.Data.Seq, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := heldout.NumberDocuments(); err != nil {
		t.Fatal(err)
	}
	compared := func(name string, b *data.Batch, compile func(*RunConfig, int, *engine.Weights, engine.Device, engine.Options) (*program, error)) {
		p, err := compile(&c, 1, w, dev, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		for row := range b.Rows {
			got, err := p.run(b, row, 1)
			if err != nil {
				t.Fatal(err)
			}
			want, n := separately(t, c, w, dev, b, row)
			if n < 2 || math.Abs(got-want) > 1e-4*want {
				t.Errorf("%s: the loss of row %d is %v, that of its %d documents by themselves %v", name, row, got, n, want)
			}
		}
	}
	compared("training", packed, func(c *RunConfig, rows int, w *engine.Weights, dev engine.Device, o engine.Options) (*program, error) {
		return compileTraining(c, rows, w, dev, o, nil)
	})
	for b := range heldout.All() {
		compared("scoring", b, compileScoring)
		break
	}
}

// separately adds up the losses of a row's documents, which the separator opens.
func separately(t *testing.T, c RunConfig, w *engine.Weights, dev engine.Device, b *data.Batch, row int) (sum float64, n int) {
	t.Helper()
	const eos = 256
	c.Data.DocumentMask = false
	for from, end := row*b.Seq, (row+1)*b.Seq; from < end; n++ {
		to := from + 1
		for to < end && b.Inputs[to] != eos {
			to++
		}
		c.Data.Seq = to - from
		p, err := compileScoring(&c, 1, w, dev, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		loss, err := p.run(&data.Batch{Rows: 1, Seq: to - from, Inputs: b.Inputs[from:to], Targets: b.Targets[from:to]}, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
		sum, from = sum+loss, to
	}
	return sum, n
}

// A masked run learns, and otherwise than one whose attention crosses documents.
func TestMaskedRun(t *testing.T) {
	c := tiny(t)
	c.Data.Train = documents(t)
	_, plain := train(t, c, Options{})
	c.Data.DocumentMask = true
	_, masked := train(t, c, Options{})
	first := math.Log(257)
	if masked.Loss > first-0.8 || float64(masked.Heldout.HeldoutLoss) > first-0.8 || masked.Heldout.HeldoutLoss == plain.Heldout.HeldoutLoss {
		t.Errorf("the loss is %g, held out %g; without the mask %g and %g", masked.Loss, masked.Heldout.HeldoutLoss, plain.Loss, plain.Heldout.HeldoutLoss)
	}
}
