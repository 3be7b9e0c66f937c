package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/tokenizer"
)

// contents makes a checkpoint's contents at a step.
func contents(step int64) Contents {
	weights := weightsOf(tiny(), safetensors.F32)
	var moments []safetensors.Tensor
	for _, w := range weights {
		for _, kind := range []string{"exp_avg.", "exp_avg_sq."} {
			m := w
			m.Name, m.DType = kind+w.Name, safetensors.F32
			m.Data = fill(m.Name, len(w.Data))
			moments = append(moments, m)
		}
	}
	loss := 3.25
	return Contents{
		Config:    tiny(),
		Meta:      Meta{Tokens: tokenizer.ModelTokens{BOS: 1, EOS: []int32{2}, PAD: -1}},
		Weights:   weights,
		Optimizer: moments,
		Tokenizer: func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte("{}\n"), 0o644); err != nil {
				return err
			}
			if err := os.Mkdir(filepath.Join(dir, "extra"), 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "extra", "merges.txt"), []byte("a b\n"), 0o644)
		},
		State: State{
			Step: step, Tokens: 4096 * step, OptimizerSteps: int(step), Seed: 1<<64 - 1,
			Data:     DataPosition{Epoch: 1, Sample: 7, Samples: 1<<53 + 1, Ranks: 1, Fingerprint: "abc"},
			Loss:     Losses{Train: &loss},
			Schedule: ScheduleInfo{Name: "cosine", Steps: 1000, WarmupSteps: 10, PeakLR: 2e-3, LR: 1e-3},
			Chosen:   Chosen{MicroBatch: 4, Precision: "f32", Recompute: "none", Workers: 2, Device: "cpu"},
			Config:   "optim:\n  lr: 2e-3\n",
			Versions: map[string]string{"mobilellm": "0.1"},
		},
	}
}

func save(t *testing.T, dir string, step int64) string {
	t.Helper()
	path, err := Save(dir, contents(step))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// names lists what lies in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

func TestSaveAndOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "a", "checkpoints")
	path := save(t, dir, 100)
	if want := filepath.Join(dir, "step-00000100"); path != want {
		t.Errorf("saved as %s, want %s", path, want)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"step-00000100"}) {
		t.Errorf("the folder holds %v", got)
	}
	want := []string{"config.json", "extra", "generation_config.json", "model.safetensors", "optimizer.safetensors", "state.json", "tokenizer.json"}
	if got := names(t, path); !slices.Equal(got, want) {
		t.Errorf("the checkpoint holds %v, want %v", got, want)
	}

	c, err := OpenNewest(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	saved := contents(100)
	sums := c.State.Files
	if len(sums) != 6 || sums["extra/merges.txt"].Bytes != 4 {
		t.Errorf("files %v", sums)
	}
	state := c.State
	state.Version, state.Checksum, state.Files = 0, "", nil
	if !reflect.DeepEqual(state, saved.State) {
		t.Errorf("state came back as\n%+v, want\n%+v", state, saved.State)
	}
	weights := emptied(saved.Weights)
	if err := c.Model.Load(weights); err != nil {
		t.Fatal(err)
	}
	equalTensors(t, weights, saved.Weights)
	moments := emptied(saved.Optimizer)
	if err := c.LoadOptimizer(moments); err != nil {
		t.Fatal(err)
	}
	equalTensors(t, moments, saved.Optimizer)

	// Another optimizer asks for other tensors.
	other := emptied(saved.Optimizer[:1])
	other[0].Name = "momentum_buffer.model.embed_tokens.weight"
	err = c.LoadOptimizer(other)
	if err == nil || !strings.Contains(err.Error(), "optimizer.safetensors: tensor momentum_buffer.model.embed_tokens.weight is missing; shape [16 8] is expected (and ") {
		t.Errorf("another optimizer's state: %v", err)
	}
}

// An optimizer's state in bf16 comes back to the bit, and only as such.
func TestHalfState(t *testing.T) {
	dir := t.TempDir()
	c := contents(3)
	for i := range c.Optimizer {
		m := &c.Optimizer[i]
		m.DType, m.BF16, m.Data = safetensors.BF16, make([]uint16, len(m.Data)), nil
		for j := range m.BF16 {
			m.BF16[j] = uint16(i*1009 + j*977)
		}
	}
	path, err := Save(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := OpenCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	got := slices.Clone(c.Optimizer)
	for i := range got {
		got[i].BF16 = make([]uint16, len(got[i].BF16))
	}
	if err := opened.LoadOptimizer(got); err != nil {
		t.Fatal(err)
	}
	for i, want := range c.Optimizer {
		if !slices.Equal(got[i].BF16, want.BF16) {
			t.Errorf("%s = %x, want %x", want.Name, got[i].BF16, want.BF16)
		}
	}

	wide, err := OpenCheckpoint(save(t, dir, 4))
	if err != nil {
		t.Fatal(err)
	}
	defer wide.Close()
	clear(got[0].BF16)
	err = wide.LoadOptimizer(got)
	if err == nil || !strings.HasSuffix(err.Error(), got[0].Name+" is F32; BF16 of a safetensors file is expected") {
		t.Errorf("float32 read as bf16: %v", err)
	}
}

func TestSaveSameStepAgain(t *testing.T) {
	for _, way := range []struct {
		name     string
		exchange func(a, b string) error
	}{{"at once", exchange}, {"in steps", exchangeInSteps}} {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		for _, path := range []string{a, b} {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			put(t, path, "which", path)
		}
		if err := way.exchange(a, b); err != nil {
			t.Fatal(way.name, err)
		}
		for path, was := range map[string]string{a: b, b: a} {
			if raw, err := os.ReadFile(filepath.Join(path, "which")); err != nil || string(raw) != was {
				t.Errorf("%s: %s holds %s, %v", way.name, path, raw, err)
			}
		}
		if got := names(t, dir); len(got) != 2 {
			t.Errorf("%s: the folder holds %v", way.name, got)
		}
	}

	dir := t.TempDir()
	save(t, dir, 5)
	second := contents(5)
	second.State.Tokens = 1
	if _, err := Save(dir, second); err != nil {
		t.Fatal(err)
	}
	c, err := OpenNewest(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.State.Tokens != 1 {
		t.Errorf("the first of two saves was kept")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"step-00000005"}) {
		t.Errorf("the folder holds %v", got)
	}
}

// What a kill left behind is neither listed nor opened, and the next save
// removes it.
func TestTornSave(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, 1)
	torn := filepath.Join(dir, ".tmp-step-00000002")
	if err := os.Mkdir(torn, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, torn, ConfigFile, "{")
	if latest, err := Latest(dir); err != nil || latest.Step != 1 {
		t.Errorf("latest is %+v, %v", latest, err)
	}
	save(t, dir, 2)
	if got := names(t, dir); !slices.Equal(got, []string{"step-00000001", "step-00000002"}) {
		t.Errorf("the folder holds %v", got)
	}
}

func TestFailedSaveLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name   string
		change func(*Contents)
		want   string
	}{
		{"the tokenizer fails", func(c *Contents) { c.Tokenizer = func(string) error { return boom } }, "saving checkpoint step-00000002: tokenizer: boom"},
		{"the tokenizer leaves a link", func(c *Contents) {
			c.Tokenizer = func(dir string) error { return os.Symlink("/", filepath.Join(dir, "link")) }
		}, "link: not a regular file"},
		{"a weight of another shape", func(c *Contents) { c.Weights[1].Shape = []int{4} }, "weight 1 is model.layers.0.input_layernorm.weight of shape [4]; the model's is model.layers.0.input_layernorm.weight of shape [8]"},
		{"a weight too few", func(c *Contents) { c.Weights = c.Weights[1:] }, "19 weights are given; the model has 20"},
		{"a moment without its values", func(c *Contents) { c.Optimizer[0].Data = nil }, "optimizer.safetensors: tensor exp_avg.model.embed_tokens.weight: shape [16 8] does not have 0 elements"},
		{"a loss that is not a number", func(c *Contents) {
			nan := *c.State.Loss.Train - *c.State.Loss.Train
			nan /= nan
			c.State.Loss.Best = &nan
		}, "state.json: json: unsupported value: NaN"},
		{"negative tokens", func(c *Contents) { c.State.Tokens = -1 }, "state.json: tokens (-1) must not be negative"},
	} {
		dir := t.TempDir()
		save(t, dir, 1)
		c := contents(2)
		tt.change(&c)
		if _, err := Save(dir, c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"step-00000001"}) {
			t.Errorf("%s: the folder holds %v", tt.name, got)
		}
		opens(t, filepath.Join(dir, "step-00000001"))
	}
	if _, err := Save(t.TempDir(), contents(-1)); err == nil {
		t.Error("step -1 was saved")
	}
}

func opens(t *testing.T, path string) {
	t.Helper()
	c, err := OpenCheckpoint(path)
	if err != nil {
		t.Error(err)
		return
	}
	c.Close()
}

func TestOpenDamaged(t *testing.T) {
	path := save(t, t.TempDir(), 3)
	info, err := os.Stat(filepath.Join(path, WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	size := info.Size()
	for _, tt := range []struct {
		name  string
		spoil func(dir string)
		want  string // %s stands for the checkpoint's path
	}{
		{"weights cut short", func(dir string) { cut(t, dir, WeightsFile, 10) }, fmt.Sprintf("%%s/model.safetensors is truncated: %d bytes, expected %d", size-10, size)},
		{"weights too long", func(dir string) { cut(t, dir, WeightsFile, -10) }, fmt.Sprintf("%%s/model.safetensors has %d bytes, expected %d", size+10, size)},
		{"moments cut short", func(dir string) { cut(t, dir, OptimizerFile, 1) }, "%s/optimizer.safetensors is truncated: "},
		{"moments missing", func(dir string) { remove(t, dir, OptimizerFile) }, "%s/optimizer.safetensors is missing; "},
		{"tokenizer missing", func(dir string) { remove(t, dir, "tokenizer.json") }, "%s/tokenizer.json is missing; 3 bytes are expected"},
		{"no state", func(dir string) { remove(t, dir, StateFile) }, "%s is no checkpoint of a run: "},
		{"state cut short", func(dir string) { cut(t, dir, StateFile, 20) }, "%s/state.json: unexpected end of JSON input"},
		{"another step's state", func(dir string) { changeState(t, dir, `"step": 3`, `"step": 4`) }, "%s: state.json is of step 4"},
		{"a state that was changed", func(dir string) {
			put(t, dir, StateFile, strings.Replace(read(t, dir, StateFile), `"step": 3`, `"step": 4`, 1))
		}, "%s/state.json: the file has CRC-32C"},
		{"no weights in the list", func(dir string) { changeState(t, dir, `"model.safetensors"`, `"config.json"`) }, "%s/state.json: files: model.safetensors is missing"},
	} {
		dir := filepath.Join(t.TempDir(), "step-00000003")
		if err := os.CopyFS(dir, os.DirFS(path)); err != nil {
			t.Fatal(err)
		}
		tt.spoil(dir)
		want := strings.ReplaceAll(tt.want, "%s", dir)
		if _, err := OpenCheckpoint(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, want)
		}
	}
}

// changeState replaces a text of state.json, whose checksum is made anew.
func changeState(t *testing.T, dir, from, to string) {
	t.Helper()
	raw := read(t, dir, StateFile)
	at := strings.Index(raw, sealedBy) + len(sealedBy)
	raw = raw[:at] + unsealed + raw[at+len(unsealed):]
	put(t, dir, StateFile, string(seal([]byte(strings.Replace(raw, from, to, 1)))))
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A flipped bit anywhere in a checkpoint is found when it is opened, and in what
// belongs to the model where only that is opened.
func TestFlippedBits(t *testing.T) {
	whole := save(t, t.TempDir(), 3)
	for _, name := range names(t, whole) {
		if name == "extra" {
			continue // a folder
		}
		raw := []byte(read(t, whole, name))
		for _, at := range []int{0, len(raw) / 3, len(raw) / 2, len(raw) - 2} {
			path := filepath.Join(t.TempDir(), "step-00000003")
			if err := os.CopyFS(path, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			changed := slices.Clone(raw)
			changed[at] ^= 1
			put(t, path, name, string(changed))
			c, err := OpenCheckpoint(path)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), filepath.Join(path, name)) {
				t.Errorf("%s, byte %d: got %v", name, at, err)
			}
			if err == nil {
				c.Close()
			}
			m, err := Open(path)
			if (err == nil) != (name == OptimizerFile) {
				t.Errorf("%s, byte %d: the model alone gives %v", name, at, err)
			}
			if err == nil {
				m.Close()
			}
		}
	}
}

// A state.json of before it had a checksum of its own opens.
func TestUnsealedState(t *testing.T) {
	path := save(t, t.TempDir(), 3)
	lines := strings.SplitAfter(read(t, path, StateFile), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, sealedBy) })
	put(t, path, StateFile, strings.Join(lines, ""))
	opens(t, path)
}

// The newest checkpoint that is whole is taken, and damaged ones before it are set
// aside with their names.
func TestOpenNewest(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, 10)
	save(t, dir, 15)
	cut(t, save(t, dir, 20), WeightsFile, 4)
	remove(t, save(t, dir, 30), StateFile)
	var told []string
	c, err := OpenNewest(dir, func(path string, err error) { told = append(told, filepath.Base(path)+": "+err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if c.State.Step != 15 || len(told) != 2 || !strings.HasPrefix(told[0], "damaged-step-00000030: ") || !strings.Contains(told[1], "is truncated") {
		t.Errorf("step %d, notes %q", c.State.Step, told)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"damaged-step-00000020", "damaged-step-00000030", "step-00000010", "step-00000015"}) {
		t.Errorf("the folder holds %q", got)
	}
	if _, err := OpenNewest(filepath.Join(dir, "none"), nil); !errors.Is(err, ErrNone) {
		t.Errorf("an absent folder: %v", err)
	}
	if _, err := OpenCheckpoint(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent checkpoint: %v", err)
	}
	// What cannot be read for another reason is not damaged, and stays.
	put(t, filepath.Join(dir, "step-00000015"), StateFile, strings.Replace(read(t, filepath.Join(dir, "step-00000015"), StateFile), `"version": 1`, `"version": 9`, 1))
	if _, err := OpenNewest(dir, nil); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "version (9)") {
		t.Errorf("a newer version: %v", err)
	}
}

func TestStateIsStrict(t *testing.T) {
	good, err := contents(1).State.marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseState(good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to, want string }{
		{`"version": 1`, `"version": 2`, "version (2) is not supported: this program reads version 1"},
		{`"version": 1,`, ``, "version is missing"},
		{`"tokens"`, `"token"`, `unknown field "token"`},
		{`"tokens": 4096`, `"tokens": "4096"`, "tokens"},
		{`"tokens": 4096`, `"tokens": -4096`, "tokens (-4096) must not be negative"},
		{`"tokens": 4096`, `"tokens": 1.5`, "tokens"},
		{`"files": null`, `"files": {"../x": {"bytes": 1, "crc32c": ""}}`, `files: "../x" is not within the checkpoint`},
		{`"files": null`, `"files": {"x": {"bytes": -1, "crc32c": ""}}`, "files: x: bytes (-1) must not be negative"},
	} {
		raw := strings.Replace(string(good), tt.from, tt.to, 1)
		if raw == string(good) {
			t.Fatalf("%s is not in %s", tt.from, good)
		}
		at := strings.Index(raw, sealedBy) + len(sealedBy)
		raw = string(seal([]byte(raw[:at] + unsealed + raw[at+len(unsealed):])))
		if _, err := parseState([]byte(raw)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.to, err, tt.want)
		}
	}
	if _, err := parseState(append(good, good...)); err == nil {
		t.Error("two states in one file were taken")
	}
}
