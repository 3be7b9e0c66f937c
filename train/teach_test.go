package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/data"
	"mobilellm/data/shard"
	"mobilellm/data/topk"
	"mobilellm/tokenizer"
)

// tokenShards writes c's text as two shards of byte tokens and returns their
// folder.
func tokenShards(t *testing.T, c RunConfig) string {
	t.Helper()
	raw := file(t, c.Data.Train[0].Path)
	tok := tokenizer.Bytes()
	eos, _ := tok.Special().End()
	dir := t.TempDir()
	for i, part := range []string{raw[:len(raw)/3], raw[len(raw)/3:]} {
		path := filepath.Join(dir, []string{"tokens-00000.tok", "tokens-00001.tok"}[i])
		w, err := shard.Create(path, shard.Meta{Width: 2, Vocab: tok.VocabSize(), BOS: shard.None, EOS: eos, Tokenizer: tok.Fingerprint()})
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(part) {
			if err := w.Append(append(tok.Encode([]byte(line)), eos)); err != nil {
				t.Fatal(err)
			}
			w.EndDocument(int64(len(line)))
		}
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	if err := tok.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// taught is a run on token shards, with a teacher and what it stored of them.
func taught(t *testing.T, k int) (c RunConfig, teacher string, o TeachOptions) {
	t.Helper()
	c = tiny(t)
	teacher = tinyTeacher(t, c, nil)
	shards := tokenShards(t, c)
	c.Data.Train = data.Sources{{Path: shards, Weight: 1}}
	o = TeachOptions{Teacher: teacher, Shards: shards, Out: filepath.Join(t.TempDir(), "taught"), K: k, Seq: 32, Rows: 3, Device: "cpu", Workers: 2}
	r, err := Teach(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.K != k || r.Tokens < 5000 || r.Bytes != r.Size() || !(r.Share > float64(k)/258 && r.Share < 1.001) || k == 257 && r.Share < 0.99 {
		t.Errorf("taught %+v", r)
	}
	c.Distil.Shards = o.Out
	return c, teacher, o
}

// With all log-probabilities stored a run's first epoch is the one that runs its
// teacher, but for the rounding of what is stored.
func TestTeachAll(t *testing.T) {
	c, teacher, _ := taught(t, 257)
	c.Distil.Alpha, c.Distil.Temperature = 0.25, 2
	stored, _ := train(t, c, Options{})
	c.Distil.Shards, c.Distil.Teacher = "", teacher
	ran, _ := train(t, c, Options{})
	want := steps(t, ran)
	got := steps(t, stored)
	if len(got) != 12 || len(want) != 12 {
		t.Fatalf("%d and %d steps", len(got), len(want))
	}
	for i, s := range got {
		if math.Abs(s.Loss-want[i].Loss) > 2e-3 || math.Abs(s.LabelLoss-want[i].LabelLoss) > 2e-3 || math.Abs(s.GradNorm-want[i].GradNorm) > 0.01*want[i].GradNorm {
			t.Errorf("step %d: %+v, with the teacher %+v", s.Step, s, want[i])
		}
	}
}

// A run on stored log-probabilities resumes to the same numbers.
func TestTeachResumedRun(t *testing.T) {
	c, teacher, _ := taught(t, 8)
	c.Distil.Teacher, c.Distil.TopK = teacher, 8 // may be named beside what it stored
	out, _ := train(t, c, Options{})
	again := filepath.Join(t.TempDir(), "run")
	train(t, c, Options{Out: again, Resume: filepath.Join(out, CheckpointsDir, "step-00000008")})
	if a, b := records(t, out), records(t, again); strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Errorf("unbroken:\n%s\nresumed:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// A teacher that is stopped goes on to the same bytes.
func TestTeachStopped(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: starts a teacher many times")
	}
	_, _, o := taught(t, 5)
	whole, err := os.ReadFile(filepath.Join(o.Out, topk.Name))
	if err != nil {
		t.Fatal(err)
	}
	o.Out = filepath.Join(t.TempDir(), "taught")
	for done := false; !done; {
		ctx, cancel := context.WithCancel(context.Background())
		calls := 0
		o.Progress = func(int64, int64) {
			if calls++; calls == 4 {
				cancel()
			}
		}
		_, err := Teach(ctx, o)
		cancel()
		if err != nil {
			checkError(t, err, "context canceled", "\nhint: the same command goes on")
		}
		done = err == nil
	}
	got, err := os.ReadFile(filepath.Join(o.Out, topk.Name))
	if err != nil || !bytes.Equal(got, whole) {
		t.Errorf("the file differs (%v)", err)
	}
	o.K = 6
	_, err = Teach(context.Background(), o)
	checkError(t, err, "its k is 5, asked for is 6", "hint: ")
}

func TestTeachErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: trains several teachers")
	}
	_, teacher, good := taught(t, 4)
	other := tinyTeacher(t, tiny(t), func(c *RunConfig) { c.Data.Tokenizer = "train" })
	for _, test := range []struct {
		name   string
		change func(o *TeachOptions)
		want   []string
	}{
		{"k", func(o *TeachOptions) { o.K = 0 }, []string{"k (0) must be at least 1"}},
		{"k of the vocabulary", func(o *TeachOptions) { o.K = 258 }, []string{"k (258) must be at most the teacher's vocabulary (257)"}},
		{"window", func(o *TeachOptions) { o.Seq = 64 }, []string{"has a context of 32 tokens, fewer than a window of 64", "hint: --seq 32"}},
		{"teacher", func(o *TeachOptions) { o.Teacher = "/nowhere" }, []string{"teacher: there is no model at /nowhere: "}},
		{"tokenizer", func(o *TeachOptions) { o.Teacher = other }, []string{"were made with tokenizer ", "has tokenizer ", "hint: "}},
		{"no shards", func(o *TeachOptions) { o.Shards = teacher }, []string{"holds no token shards", "hint: "}},
		{"other teacher", func(o *TeachOptions) {
			o.Teacher, o.Out = tinyTeacher(t, tiny(t), func(c *RunConfig) { c.Train.Seed++ }), good.Out
		}, []string{"its teacher's checksum is ", "hint: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := good
			o.Out = filepath.Join(t.TempDir(), "taught")
			test.change(&o)
			_, err := Teach(context.Background(), o)
			checkError(t, err, test.want...)
		})
	}
}

func TestDistilShardErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: trains several teachers")
	}
	base, teacher, o := taught(t, 4)
	copied := func(t *testing.T, change func(raw []byte) []byte) string {
		raw, err := os.ReadFile(filepath.Join(o.Out, topk.Name))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, topk.Name), change(raw), 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, test := range []struct {
		name   string
		change func(t *testing.T, c *RunConfig)
		want   []string
	}{
		{"none", func(t *testing.T, c *RunConfig) { c.Distil.Shards = t.TempDir() }, []string{"distil.shards: ", "holds no teacher.topk", "hint: "}},
		{"k", func(_ *testing.T, c *RunConfig) { c.Distil.TopK = 16 }, []string{"hold 4 log-probabilities of a position, distil.top_k is 16", "hint: mobilellm-data teach --k 16"}},
		{"k without shards", func(_ *testing.T, c *RunConfig) { c.Distil.Shards, c.Distil.Teacher, c.Distil.TopK = "", teacher, 4 }, []string{"distil.top_k (4) is of distil.shards, which is empty"}},
		{"negative k", func(_ *testing.T, c *RunConfig) { c.Distil.TopK = -1 }, []string{"distil.top_k (-1) must not be negative"}},
		{"window", func(_ *testing.T, c *RunConfig) { c.Data.Seq = 16 }, []string{"were taught in windows of 32 tokens, data.seq is 16", "hint: --set data.seq=32"}},
		{"vocabulary", func(_ *testing.T, c *RunConfig) { c.Model.VocabSize = 300 }, []string{"are of a vocabulary of 257, model.vocab_size is 300"}},
		{"text", func(t *testing.T, c *RunConfig) {
			other := tiny(t)
			other.Data.Train = data.Sources{{Path: text(t, 200), Weight: 1}}
			c.Data.Train = data.Sources{{Path: tokenShards(t, other), Weight: 1}}
		}, []string{"were taught on another text than data.train", "hint: "}},
		{"held out of the middle", func(_ *testing.T, c *RunConfig) {
			c.Data.Heldout = data.Texts(filepath.Join(o.Shards, "tokens-00000.tok"))
		}, []string{"distil.shards (", "of which documents are left out that are held out too", "hint: "}},
		{"one shard of two", func(_ *testing.T, c *RunConfig) {
			c.Data.Train = data.Sources{{Path: filepath.Join(o.Shards, "tokens-00001.tok"), Weight: 1}}
		}, []string{"were taught on another text than data.train"}},
		{"no token shards", func(t *testing.T, c *RunConfig) { c.Data.Train = data.Sources{{Path: text(t, 300), Weight: 1}} }, []string{"needs data.train to be token shards", "hint: "}},
		{"tokenizer", func(t *testing.T, c *RunConfig) {
			c.Distil.Shards = copied(t, func(raw []byte) []byte { return resealed(raw, 48, 1) })
		}, []string{"were taught with tokenizer ", "the model learns with tokenizer ", "hint: "}},
		{"two sources", func(t *testing.T, c *RunConfig) {
			c.Data.Train = append(c.Data.Train, data.Source{Path: text(t, 300), Weight: 1})
		}, []string{"it has 2 entries", "hint: "}},
		{"packing", func(_ *testing.T, c *RunConfig) { c.Data.Packing = data.PackDocuments }, []string{"data.packing (documents) exclude each other", "hint: "}},
		{"mask", func(_ *testing.T, c *RunConfig) { c.Data.DocumentMask = true }, []string{"data.document_mask exclude each other", "hint: "}},
		{"truncated", func(t *testing.T, c *RunConfig) {
			c.Distil.Shards = copied(t, func(raw []byte) []byte { return raw[:len(raw)/2] })
		}, []string{"teacher.topk", "the file is cut short"}},
		{"broken block", func(t *testing.T, c *RunConfig) {
			c.Train.Steps = 100
			c.Distil.Shards = copied(t, func(raw []byte) []byte { raw[len(raw)/2] ^= 1; return raw })
		}, []string{"step ", "the checksum of block "}},
		{"other teacher", func(t *testing.T, c *RunConfig) {
			c.Distil.Teacher = tinyTeacher(t, base, func(c *RunConfig) {
				c.Data.Train, c.Train.Seed = data.Sources{{Path: text(t, 300), Weight: 1}}, 9
			})
		}, []string{"were taught by a model of checksum ", "hint: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := base
			test.change(t, &c)
			_, err := Run(context.Background(), c, Options{Out: filepath.Join(t.TempDir(), "run"), Workers: 2, PeakFLOPS: 1e11})
			checkError(t, err, test.want...)
		})
	}
}

// resealed changes a byte of a file's header and makes its checksum fit again.
func resealed(raw []byte, at int, by byte) []byte {
	const header = 192
	raw[at] ^= by
	binary.LittleEndian.PutUint32(raw[header-4:], crc32.Checksum(raw[:header-4], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}
