package configs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// describe lists the keys that are not at their default, with value and origin.
func describe(t *testing.T, run *testRun, r *Resolved) string {
	t.Helper()
	s := newSchema(structType(run))
	var out strings.Builder
	for _, f := range s.root.leaves() {
		origin := r.Origin(f.key)
		if origin.Kind == FromDefault {
			continue
		}
		var line strings.Builder
		plain := *f
		plain.name, plain.help = f.key, origin.String()
		if err := printLeaf(&line, &plain, f.in(reflect.ValueOf(run).Elem(), false), ""); err != nil {
			t.Fatal(err)
		}
		out.WriteString(line.String())
	}
	return out.String()
}

func fixtures(t *testing.T, folder string) []string {
	t.Helper()
	t.Chdir(filepath.Join("testdata", folder))
	names, err := filepath.Glob("*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no fixtures in testdata/%s: %v", folder, err)
	}
	return names
}

func TestGoodConfigs(t *testing.T) {
	for _, name := range fixtures(t, "good") {
		run := testDefaults()
		r, err := Load(&run, Source{Name: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "quickstart.yaml" {
			if want := []string{"quickstart.yaml", "embedded:quickstart.yaml"}; !slices.Equal(r.Files, want) {
				t.Errorf("%s: files are %v, want %v", name, r.Files, want)
			}
			continue // its values are the embedded file's affair
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, ".yaml") + ".want")
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(t, &run, r); got != string(want) {
			t.Errorf("%s: loaded\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestBadConfigs(t *testing.T) {
	for _, name := range fixtures(t, "bad") {
		want, err := os.ReadFile(strings.TrimSuffix(name, ".yaml") + ".err")
		if err != nil {
			t.Fatal(err)
		}
		run := testDefaults()
		r, err := Load(&run, Source{Name: name})
		if err == nil {
			t.Errorf("%s: loaded as %+v, want error %s", name, r, want)
			continue
		}
		if got := err.Error() + "\n"; got != string(want) {
			t.Errorf("%s: error is\n%s\nwant\n%s", name, got, want)
		}
		if !reflect.DeepEqual(run, testDefaults()) {
			t.Errorf("%s: a failed load changed the struct to %+v", name, run)
		}
	}
}

func TestEmbeddedConfigs(t *testing.T) {
	t.Chdir(t.TempDir()) // they load from any folder
	for _, name := range Names() {
		if name == "sft.yaml" {
			continue // has no model, and keys that testRun lacks; package train loads it
		}
		for _, spelling := range []string{name, strings.TrimSuffix(name, ".yaml")} {
			run := testDefaults()
			r, err := Load(&run, Source{Name: spelling})
			if err != nil {
				t.Errorf("%s: %v", spelling, err)
				continue
			}
			if r.Files[0] != "embedded:"+name {
				t.Errorf("%s: loaded %s", spelling, r.Files[0])
			}
			if run.Data.Seq != run.Model.Context {
				t.Errorf("%s: trains on %d tokens at once, the context is %d", name, run.Data.Seq, run.Model.Context)
			}
			if strings.Contains(name, "-paper") {
				got := []any{run.Train.Batch * run.Data.Seq, run.Train.Steps, run.Optim.LR, run.Optim.WarmupSteps}
				if want := []any{32 * 32 * 2048, 480000, 2e-3, 1000}; !reflect.DeepEqual(got, want) {
					t.Errorf("%s: tokens a step, steps, rate and warm-up are %v, the paper has %v", name, got, want)
				}
			}
			wantSharing := strings.Contains(name, "-ls") || name == "quickstart.yaml"
			if shared := run.Model.LayerSharing == (testSharing{"immediate", 2}); shared != wantSharing {
				t.Errorf("%s: layer sharing is %v", name, run.Model.LayerSharing)
			}
		}
	}
}

func TestPrecedence(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "base.yaml", "train: {steps: 1, batch: 1, seed: 1, precision: a, recompute: a}\n")
	write(t, "run.yaml", "extends: base.yaml\ntrain: {batch: 2, seed: 2, precision: b, recompute: b}\n")
	t.Setenv("MOBILELLM_TRAIN_SEED", "3")
	t.Setenv("MOBILELLM_TRAIN_PRECISION", "c")
	t.Setenv("MOBILELLM_TRAIN_RECOMPUTE", "c")
	t.Setenv("MOBILELLM_DEVICE", "") // counts as unset
	run := testDefaults()
	r, err := Load(&run, Source{
		Name:      "run",
		EnvPrefix: "MOBILELLM",
		Set:       []string{"train.precision=x", "train.precision=d", "train.recompute=d"},
		Flags:     map[string]any{"train.recompute": "e"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `train.steps: 1 # base.yaml:1
train.batch: 2 # run.yaml:2
train.precision: d # --set train.precision=d
train.recompute: e # flag for train.recompute
train.seed: 3 # environment variable MOBILELLM_TRAIN_SEED
`
	if got := describe(t, &run, r); got != want {
		t.Errorf("loaded\n%s\nwant\n%s", got, want)
	}
	if want := []string{"run.yaml", "base.yaml"}; !slices.Equal(r.Files, want) {
		t.Errorf("files are %v, want %v", r.Files, want)
	}
	if o := r.Origin("optim.lr"); o.Kind != FromDefault || o.String() != "default" {
		t.Errorf("origin of optim.lr is %v, want the default", o)
	}
}

// Every key is bound: an environment variable is seen whether or not a file names
// its key.
func TestEveryKeyHasVariable(t *testing.T) {
	for _, key := range Keys(testRun{}) {
		t.Run(key, func(t *testing.T) {
			name := "MOBILELLM_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
			t.Setenv(name, "{not: right}")
			run := testDefaults()
			_, err := Load(&run, Source{EnvPrefix: "MOBILELLM"})
			switch newSchema(reflect.TypeFor[testRun]()).byKey[key].typ {
			case reflect.TypeFor[string](), reflect.TypeFor[[]string](), reflect.TypeFor[[]testSource]():
				if err != nil {
					t.Errorf("%s: %v", name, err) // text is taken as it is
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "environment variable "+name+": ") {
				t.Errorf("%s: error is %v", name, err)
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOverrides(t *testing.T) {
	tests := []struct {
		set   string
		flags map[string]any
		want  string // what describe gives, or the error
	}{
		{set: "optim.lr=6e-4", want: "optim.lr: 0.0006 # --set optim.lr=6e-4\n"},
		{set: " optim.lr = 3", want: "optim.lr: 3 # --set  optim.lr = 3\n"},
		{set: "optim.betas=[0.5, 0.6]", want: "optim.betas: [0.5, 0.6] # --set optim.betas=[0.5, 0.6]\n"},
		{set: "data.tokenizer=2024", want: "data.tokenizer: \"2024\" # --set data.tokenizer=2024\n"},
		{set: "data.tokenizer=a: b", want: "data.tokenizer: 'a: b' # --set data.tokenizer=a: b\n"},
		{set: "data.tokenizer=", want: "data.tokenizer: \"\" # --set data.tokenizer=\n"},
		{set: `data.tokenizer="x y"`, want: "data.tokenizer: x y # --set data.tokenizer=\"x y\"\n"},
		{set: "data.train=*.go", want: "data.train: [{path: '*.go', weight: 1}] # --set data.train=*.go\n"},
		{set: "data.heldout=a,b", want: "data.heldout: ['a,b'] # --set data.heldout=a,b\n"},
		{set: "data.heldout=[a, b]", want: "data.heldout: [a, b] # --set data.heldout=[a, b]\n"},
		{set: "data.heldout=7", want: "data.heldout: [\"7\"] # --set data.heldout=7\n"},
		{set: "train.micro_batch=4", want: "train.micro_batch: 4 # --set train.micro_batch=4\n"},
		{
			set:  "model.layer_sharing={strategy: reverse, repeat: 4}",
			want: "model.layer_sharing.strategy: reverse # --set model.layer_sharing={strategy: reverse, repeat: 4}\nmodel.layer_sharing.repeat: 4 # --set model.layer_sharing={strategy: reverse, repeat: 4}\n",
		},
		{flags: map[string]any{"data.train": []string{"a.txt", "7"}}, want: "data.train: [{path: a.txt, weight: 1}, {path: \"7\", weight: 1}] # flag for data.train\n"},
		{flags: map[string]any{"data.train": "[odd] name: x"}, want: "data.train: [{path: '[odd] name: x', weight: 1}] # flag for data.train\n"},
		{flags: map[string]any{"train.steps": 3, "device": "7", "model.share_embedding": false}, want: "model.share_embedding: false # flag for model.share_embedding\ntrain.steps: 3 # flag for train.steps\ndevice: \"7\" # flag for device\n"},

		{set: "optim.lr", want: "--set optim.lr: want KEY=VALUE, such as optim.lr=6e-4"},
		{set: "=3", want: "--set =3: want KEY=VALUE, such as optim.lr=6e-4"},
		{set: "lr=3", want: `--set lr=3: unknown key "lr": did you mean "optim.lr"?`},
		{set: "train.step=3", want: `--set train.step=3: unknown key "train.step": did you mean "train.steps"?`},
		{set: "train.steps=many", want: "--set train.steps=many: train.steps (many) must be an integer"},
		{set: "train.steps=", want: "--set train.steps=: train.steps has no value"},
		{set: "train.steps=[1", want: `--set train.steps=[1: train.steps ([1) must be an integer`},
		{set: "model.ffn=", want: "--set model.ffn=: model.ffn has no value"},
		{set: "optim.betas=0.9,0.95", want: "--set optim.betas=0.9,0.95: optim.betas (0.9,0.95) must be a list of 2 values"},
		{set: "model=125m", want: "--set model=125m: model (125m) must be a section of keys"},
		{set: "model={}", want: `--set model={}: no key of section "model" is given`},
		{set: "model={layer: 3}", want: `--set model={layer: 3}: unknown key "model.layer": did you mean "model.layers"?`},
		{set: "model.dim=577", want: "--set model.dim=577: model.dim (577) must be divisible by model.heads (9)"},
		{set: "model.heads=10", want: "--set model.heads=10: model.dim (576) must be divisible by model.heads (10)"},
		{flags: map[string]any{"train.stops": 3}, want: `flag for train.stops: unknown key "train.stops": did you mean "train.steps"?`},
		{flags: map[string]any{"train.steps": 1.5}, want: "flag for train.steps: train.steps (1.5) must be an integer"},
	}
	for _, test := range tests {
		run := testDefaults()
		src := Source{Flags: test.flags}
		if test.set != "" {
			src.Set = []string{test.set}
		}
		r, err := Load(&run, src)
		got := fmt.Sprint(err)
		if err == nil {
			got = describe(t, &run, r)
		}
		if got != test.want {
			t.Errorf("--set %s, flags %v: got\n%s\nwant\n%s", test.set, test.flags, got, test.want)
		}
	}
}

// A config that is not there, or is something else than a file.
func TestMissingConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "runs/a.yaml", "device: cpu\n")
	write(t, "large.yaml", strings.Repeat("# large\n", maxFileBytes/8+1))
	hint := "\nhint: embedded configs are " + strings.Join(Names(), ", ")
	tests := []struct{ name, want string }{
		{"126m.yaml", `config "126m.yaml": no such file or embedded config: did you mean "125m.yaml"?` + hint},
		{"configs/1B.yaml", `config "configs/1B.yaml": no such file or embedded config: did you mean "1b.yaml"?` + hint},
		{"runs", `config "runs": a folder, and no embedded config has that name: did you mean "`},
		{"large.yaml", "large.yaml: the file is larger than 1048576 bytes, too large for a config"},
		{"runs/a.yaml/b.yaml", "config: stat runs/a.yaml/b.yaml: not a directory"},
	}
	for _, test := range tests {
		run := testDefaults()
		_, err := Load(&run, Source{Name: test.name})
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: error is\n%v\nwant\n%s", test.name, err, test.want)
		}
	}
}

// A file of the user's is preferred to the embedded config of the same name, a
// folder is not.
func TestPathBeforeEmbedded(t *testing.T) {
	t.Chdir(t.TempDir())
	load := func() string {
		run := testDefaults()
		r, err := Load(&run, Source{Name: "125m"})
		if err != nil {
			t.Fatal(err)
		}
		return r.Files[0]
	}
	if err := os.Mkdir("125m", 0o755); err != nil {
		t.Fatal(err)
	}
	if got := load(); got != "embedded:125m.yaml" {
		t.Errorf("beside a folder 125m, 125m loads %s", got)
	}
	write(t, "125m.yaml", "device: cpu\n")
	if got := load(); got != "125m.yaml" {
		t.Errorf("beside a file 125m.yaml, 125m loads %s", got)
	}
}

// Embedded configs extend each other, whatever lies in the current folder.
func TestEmbeddedIgnoresFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "125m.yaml", "device: elsewhere\n")
	run := testDefaults()
	if _, err := Load(&run, Source{Name: "125m-ls.yaml"}); err != nil {
		t.Fatal(err)
	}
	if run.Device != "auto" {
		t.Errorf("125m-ls.yaml extends the 125m.yaml of the current folder")
	}
}

func TestStrayVariables(t *testing.T) {
	t.Setenv("MOBILELLM_OPTIM_RL", "1")
	t.Setenv("MOBILELLM_SERVICE_HOST", "10.0.0.1") // not ours
	t.Setenv("MOBILELLM_OPTIM_LR", "1e-4")
	run := testDefaults()
	r, err := Load(&run, Source{EnvPrefix: "MOBILELLM"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"environment variable MOBILELLM_OPTIM_RL is no key of the config: did you mean MOBILELLM_OPTIM_LR?"}
	if !slices.Equal(r.Warnings, want) {
		t.Errorf("warnings are %q, want %q", r.Warnings, want)
	}
	if run.Optim.LR != 1e-4 {
		t.Errorf("optim.lr is %g, want 1e-4", run.Optim.LR)
	}
}

// Sections that defaults hold by pointer, and their lists, are not written through.
func TestLoadLeavesDefaultsAlone(t *testing.T) {
	defaults := testDefaults()
	defaults.Distil = &testDistil{Teacher: "a", Temperature: 2}
	defaults.Data.Heldout = []string{"a"}
	run := defaults
	if _, err := Load(&run, Source{Set: []string{"distil.teacher=b", "data.heldout=[b]"}}); err != nil {
		t.Fatal(err)
	}
	if *run.Distil != (testDistil{"b", 2}) || run.Data.Heldout[0] != "b" {
		t.Errorf("loaded %+v and %v", *run.Distil, run.Data.Heldout)
	}
	if *defaults.Distil != (testDistil{"a", 2}) || defaults.Data.Heldout[0] != "a" {
		t.Errorf("the defaults became %+v and %v", *defaults.Distil, defaults.Data.Heldout)
	}
}

func TestLocate(t *testing.T) {
	t.Chdir(t.TempDir())
	run := testDefaults()
	r, err := Load(&run, Source{Name: "125m", Set: []string{"train.steps=5"}})
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("train.steps (5) must be more than optim.warmup_steps (1000)")
	vague := errors.New("the device is busy")
	other := fmt.Errorf("two causes: %w, %w", vague, vague)
	got := r.Locate(errors.Join(cause, other))
	want := "--set train.steps=5: " + cause.Error() + "\nembedded:125m.yaml: " + other.Error()
	if got.Error() != want || !errors.Is(got, cause) {
		t.Errorf("located as\n%v\nwant\n%s", got, want)
	}
	if r.Locate(nil) != nil {
		t.Error("no error became one")
	}
}

func TestKeys(t *testing.T) {
	keys := Keys(&testRun{})
	for _, key := range []string{"model.vocab_size", "model.layer_sharing.repeat", "data.train", "device", "distil.teacher", "note"} {
		if !slices.Contains(keys, key) {
			t.Errorf("%s is missing from %v", key, keys)
		}
	}
	for _, key := range []string{"model", "model.layer_sharing", "ignored", "-"} {
		if slices.Contains(keys, key) {
			t.Errorf("%s is among %v", key, keys)
		}
	}
}

// Programming mistakes panic with the package's name.
func TestPanics(t *testing.T) {
	type inner struct{ A int }
	tests := map[string]func(){
		"no pointer": func() { _, _ = Load(testRun{}, Source{}) },
		"no struct":  func() { _ = Keys(3) },
		"upper case": func() {
			_ = Keys(struct {
				A int `yaml:"A"`
			}{})
		},
		"dot": func() {
			_ = Keys(struct {
				A int `yaml:"a.b"`
			}{})
		},
		"twice": func() {
			_ = Keys(struct {
				A, B int `yaml:"a"`
			}{})
		},
		"twice inner": func() {
			_ = Keys(struct {
				A int
				I inner `yaml:",inline"`
			}{})
		},
		"channel": func() { _, _ = Load(&struct{ C chan int }{}, Source{Set: []string{"c=1"}}) },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if message := fmt.Sprint(recover()); !strings.HasPrefix(message, "configs: ") {
					t.Errorf("panic is %q", message)
				}
			}()
			f()
		})
	}
}

// FuzzLoad holds that no file makes the loader panic, that every error names the
// file, and that what loads can be printed and loaded again.
func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		names, _ := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		name := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		run := testDefaults()
		if _, err := Load(&run, Source{Name: name}); err != nil {
			if !strings.Contains(err.Error(), "f.yaml:") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		var printed bytes.Buffer
		if err := Print(&printed, &run); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, printed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		again := testDefaults()
		if _, err := Load(&again, Source{Name: name}); err != nil {
			t.Fatalf("printed config does not load: %v\n%s", err, printed.Bytes())
		}
		if !reflect.DeepEqual(again, run) {
			t.Errorf("printed config loads as\n%+v\nwant\n%+v\n%s", again, run, printed.Bytes())
		}
	})
}
