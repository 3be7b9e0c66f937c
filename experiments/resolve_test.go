package experiments

import (
	"slices"
	"testing"
)

func names(s *Sweep) (list []string) {
	for _, m := range s.Members {
		list = append(list, m.Label())
	}
	return list
}

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"members", "base: tiny.yaml\nmembers: [{name: one}, {name: two, set: {model: {layers: 3}}}]", []string{"one, seed 1", "two, seed 1"}},
		{
			"grid", "base: tiny.yaml\nseeds: [1, 2]\ngrid: {model.layers: [1, 2], model.heads: [2, 4]}",
			[]string{
				"layers=1 heads=2, seed 1", "layers=1 heads=2, seed 2", "layers=1 heads=4, seed 1", "layers=1 heads=4, seed 2",
				"layers=2 heads=2, seed 1", "layers=2 heads=2, seed 2", "layers=2 heads=4, seed 1", "layers=2 heads=4, seed 2",
			},
		},
		{"zip", "base: tiny.yaml\nzip: {model.layers: [1, 2], model.dim: [64, 32]}", []string{"layers=1 dim=64, seed 1", "layers=2 dim=32, seed 1"}},
		{
			"members on axes", "base: tiny.yaml\ngrid: {model.layers: [1, 2]}\nmembers: [{name: wide, set: {model: {dim: 64}}}]",
			[]string{"wide layers=1, seed 1", "wide layers=2, seed 1"},
		},
		{
			"teacher first", "base: tiny.yaml\nmembers: [{name: student, teacher: big}, {name: big, seeds: [7], set: {model: {layers: 3}}}]",
			[]string{"big, seed 7", "student, seed 1"},
		},
	} {
		f, err := experiment(t, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Resolve("", Overrides{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if !slices.Equal(names(s), tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, names(s), tt.want)
		}
	}
}

func TestTokensSetSteps(t *testing.T) {
	f, err := experiment(t, "base: tiny.yaml\ntokens: 1200\nmembers: [{name: one}, {name: two, tokens: 2000, set: {model: {layers: 3}}}]")
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Resolve("", Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Members[0].Steps != 9 || s.Members[1].Steps != 16 { // of 4 × 32 tokens
		t.Errorf("%d and %d steps", s.Members[0].Steps, s.Members[1].Steps)
	}
	if s, err = f.Resolve("", Overrides{Tokens: 640}); err != nil || s.Members[0].Steps != 5 {
		t.Errorf("%v, %+v", err, s)
	}
}

// An id depends on what a run computes and on nothing else.
func TestIdentity(t *testing.T) {
	id := func(text string, set ...string) string {
		f, err := experiment(t, text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Resolve("", Overrides{Set: append(set, "data.train=[same.txt]")})
		if err != nil {
			t.Fatal(err)
		}
		return s.Members[0].ID
	}
	const base = "base: tiny.yaml\nmembers: [{name: one, set: {model: {layers: 3, dim: 64}}}]"
	want := id(base)
	if len(want) != idDigits {
		t.Errorf("id %q", want)
	}
	for name, other := range map[string]string{
		"another order, name and way": id("base: tiny.yaml\nset: {model: {dim: 64}}\nmembers: [{name: other, set: {model: {layers: 3}}}]"),
		"derived sizes written out":   id(base, "model.head_dim=16"),
		"saving and device":           id(base, "checkpoint.every=7", "device=cpu"),
		"a teacher's keys, off":       id(base, "distil.alpha=0"),
		"a guard's keys, off":         id(base, "train.spike_guard.window=7", "train.max_hours=3"),
		"Muon's keys, off":            id(base, "optim.muon.momentum=0.9"),
	} {
		if other != want {
			t.Errorf("%s: id %s, want %s", name, other, want)
		}
	}
	for _, set := range []string{
		"train.seed=2", "optim.name=muon", "optim.decay_embeddings=false", "train.z_loss=1e-4", "model.qk_norm=true", "init.layers=stack", "train.spike_guard.action=skip", "optim.lr=1e-3", "model.layers=4", "train.steps=5", "data.seq=16",
	} {
		if other := id(base, set); (other == want) != (set == "train.seed=2") { // a seed is the sweep's, not the base's
			t.Errorf("%s: id %s, before %s", set, other, want)
		}
	}
}

func TestBadExperiments(t *testing.T) {
	for _, tt := range []struct {
		name, text, scale string
		want              []string
	}{
		{"unknown axis", "base: tiny.yaml\ngrid:\n  model.layer: [1, 2]", "", []string{"sweep.yaml:3: unknown key \"model.layer\": did you mean \"model.layers\"?"}},
		{"unknown key of a member", "base: tiny.yaml\nmembers:\n  - name: a\n    set: {model: {depth: 3}}", "", []string{"sweep.yaml:4: unknown key \"model.depth\""}},
		{"unknown key of the file", "base: tiny.yaml\nmember: []", "", []string{"sweep.yaml:2: unknown key \"member\": did you mean \"members\"?"}},
		{"same configuration", "base: tiny.yaml\nmembers: [{name: a}, {name: b, set: {model: {layers: 2}}}]", "", []string{"members a and b have the same configuration with seed 1"}},
		{"same value on an axis", "base: tiny.yaml\ngrid: {model.layers: [2, 2]}", "", []string{"layers=2 and layers=2 have the same configuration"}},
		{"empty grid", "base: tiny.yaml\ngrid: {}", "", []string{"sweep.yaml:2", "no axis is given\nhint: "}},
		{"empty axis", "base: tiny.yaml\ngrid: {model.layers: []}", "", []string{"sweep.yaml:2", "axis model.layers has no values\nhint: "}},
		{"nothing at all", "base: tiny.yaml", "", []string{"no member: neither members nor an axis"}},
		{"zip of two lengths", "base: tiny.yaml\nzip: {model.layers: [1, 2], model.heads: [2]}", "", []string{"zip: axis model.heads has 1 values and model.layers 2"}},
		{"impossible member", "base: tiny.yaml\ngrid: {model.heads: [4, 5]}", "", []string{"member heads=5: ", "sweep.yaml:2: model.dim (32) must be divisible by model.heads (5)"}},
		{"twice one name", "base: tiny.yaml\nmembers: [{name: a}, {name: a}]", "", []string{"members: two are named \"a\""}},
		{"no name", "base: tiny.yaml\nmembers: [{set: {}}]", "", []string{"members[0] has no name"}},
		{"unknown teacher", "base: tiny.yaml\nmembers: [{name: a, teacher: b}]", "", []string{"teacher \"b\" is no member"}},
		{"unknown column", "base: tiny.yaml\nmembers: [{name: a, paper: {arc: 1}}]", "", []string{"paper has no column \"arc\"\nhint: columns are parameters,"}},
		{"unknown scale of a member", "base: tiny.yaml\nmembers: [{name: a, scales: {desk: {}}}]", "", []string{"scale \"desk\" is none of "}},
		{"unknown scale", "base: tiny.yaml\nscales: {small: {}}\nmembers: [{name: a}]", "large", []string{"scale \"large\" is not there\nhint: choose one of small"}},
		{"too few tokens", "base: tiny.yaml\ntokens: 63\nmembers: [{name: a}]", "", []string{"tokens (63) are not half a step"}},
		{"seed twice", "base: tiny.yaml\nseeds: [3, 3]\nmembers: [{name: a}]", "", []string{"seeds: 3 comes twice"}},
		{"no base", "base: none.yaml\nmembers: [{name: a}]", "", []string{"none.yaml"}},
	} {
		f, err := experiment(t, tt.text)
		if err == nil {
			_, err = f.Resolve(tt.scale, Overrides{})
		}
		checkError(t, tt.name, err, tt.want...)
	}
}
