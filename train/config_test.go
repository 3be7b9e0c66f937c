package train

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"mobilellm/configs"
	"mobilellm/data"
	"mobilellm/device"
)

// Every shipped configuration is one of a run, and prints as one that loads to
// the same values.
func TestEmbeddedConfigs(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range configs.Names() {
		c := DefaultRun()
		if _, err := configs.Load(&c, configs.Source{Name: name}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var text bytes.Buffer
		if err := configs.Print(&text, &c); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "printed.yaml")
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		again := DefaultRun()
		if _, err := configs.Load(&again, configs.Source{Name: path}); err != nil {
			t.Errorf("%s, printed: %v", name, err)
			continue
		}
		if c.Data.Heldout == nil {
			again.Data.Heldout = nil // printed as []
		}
		if !reflect.DeepEqual(c, again) {
			t.Errorf("%s: printed and read again it is\n%+v\nwas\n%+v", name, again, c)
		}
	}
}

// Each key of the loop's sections has its message, located.
func TestConfigErrors(t *testing.T) {
	tests := []struct{ set, want string }{
		{"train.steps=0", "--set train.steps=0: train.steps (0) must be at least 1"},
		{"train.batch=0", "--set train.batch=0: train.batch (0) must be at least 1"},
		{"train.micro_batch=5", "--set train.micro_batch=5: train.batch (64) must be a multiple of train.micro_batch (5)\nhint: the nearest smaller micro-batch is 4"},
		{"train.micro_batch=none", `--set train.micro_batch=none: train.micro_batch: "none" is neither auto nor a positive integer`},
		{"train.precision=int8", `--set train.precision=int8: train.precision: "int8" is none of auto, float32 and bf16`},
		{"train.recompute=all", `--set train.recompute=all: train.recompute: "all" is none of none, attention and block`},
		{"eval.every=-1", "--set eval.every=-1: eval.every (-1) must be at least 0"},
		{"checkpoint.keep=-1", "--set checkpoint.keep=-1: checkpoint.keep (-1) must be at least 0"},
		{"checkpoint.minutes=-1", "--set checkpoint.minutes=-1: checkpoint.minutes (-1) must not be negative"},
		{"data.seq=4096", "--set data.seq=4096: data.seq (4096) must be at most model.context (2048)"},
		{"device=cuda", "--set device=cuda: device (cuda) is not in this build\nhint: build with make build-gpu, or use --device cpu"},
		{"device=tpu", "--set device=tpu: device (tpu) must be auto, cpu or cuda"},
		{"model.kv_heads=2", "--set model.kv_heads=2: model.heads (9) must be divisible by model.kv_heads (2)"},
		{"optim.moments=fp16", `--set optim.moments=fp16: optim.moments ("fp16") must be float32 or bf16`},
		{"optim.lr=0", "--set optim.lr=0: optim.lr (0) must be positive"},
	}
	for _, test := range tests {
		if device.Validate("cuda") == nil && test.set == "device=cuda" {
			continue
		}
		c := DefaultRun()
		_, err := configs.Load(&c, configs.Source{Set: []string{test.set}})
		if err == nil || err.Error() != test.want {
			t.Errorf("--set %s: the error is\n%v\nwant\n%s", test.set, err, test.want)
		}
	}
}

func TestAbsolutePaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	c := DefaultRun()
	c.Data.Train = append(c.Data.Train, c.Data.Train[0])
	c.Data.Train[1].Path, c.Data.Heldout, c.Data.Tokenizer = "a.txt", data.Texts("b/*.txt"), "../tok"
	if err := c.AbsolutePaths(); err != nil {
		t.Fatal(err)
	}
	got := []string{c.Data.Train[0].Path, c.Data.Train[1].Path, c.Data.Heldout[0].Path, c.Data.Tokenizer}
	want := []string{"go-source", filepath.Join(dir, "a.txt"), filepath.Join(dir, "b/*.txt"), filepath.Join(filepath.Dir(dir), "tok")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("paths are %q, want %q", got, want)
	}
}
