package data

import (
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestConfigYAML(t *testing.T) {
	for _, c := range []struct {
		text    string
		train   Sources
		heldout Sources
	}{
		{"train: a.txt", Sources{{Path: "a.txt", Weight: 1}}, nil},
		{"train: [a.txt, {path: b, weight: 2.5}, {path: c}]", Sources{{Path: "a.txt", Weight: 1}, {Path: "b", Weight: 2.5}, {Path: "c", Weight: 1}}, nil},
		{"train: {path: a.txt}", Sources{{Path: "a.txt", Weight: 1}}, nil},
		{"train: 2024", Sources{{Path: "2024", Weight: 1}}, nil},
		{"heldout: &h [&b b, 7]\ntrain: [*b, {path: *b, weight: 2}]", Sources{{Path: "b", Weight: 1}, {Path: "b", Weight: 2}}, Texts("b", "7")},
		{"train: !!binary YWL/\nheldout: [!!binary YWL/]", Sources{{Path: "ab\xff", Weight: 1}}, Texts("ab\xff")},
		{"train: a\nheldout: b", Sources{{Path: "a", Weight: 1}}, Texts("b")},
		{"train: a\nheldout: [b, c]", Sources{{Path: "a", Weight: 1}}, Texts("b", "c")},
		{"train: {path: a, kind: chat}\nheldout: [b, {path: c, kind: chat}]", Sources{{Path: "a", Weight: 1, Kind: "chat"}}, Sources{{Path: "b", Weight: 1}, {Path: "c", Weight: 1, Kind: "chat"}}},
		{"seq: 5", DefaultConfig().Train, nil},
	} {
		config := DefaultConfig()
		if err := yaml.Unmarshal([]byte(c.text), &config); err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if !reflect.DeepEqual(config.Train, c.train) || !reflect.DeepEqual(config.Heldout, c.heldout) {
			t.Errorf("%q: train %v, heldout %v", c.text, config.Train, config.Heldout)
		}
		text, err := yaml.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		var back Config
		if err := yaml.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back.Train, config.Train) {
			t.Errorf("written as %q, read back as %v", text, back.Train)
		}
	}
	for text, want := range map[string]string{
		"train:\n  - path: a\n    wieght: 2": `line 3: data source: unknown key "wieght"`,
		"train: [[a]]":                       "line 1: data source: want a path",
		"train: [{path: a, weight: much}]":   "weight",
		"train: [~]":                         "line 1: data source: want a path or {path, weight, kind}, got nothing",
		"train: {path: a, kind: [chat]}":     "kind",
		"heldout: [a, ~]":                    "line 1: data source: want a path or {path, weight, kind}, got nothing",
		"heldout: {a: b}":                    `line 1: data source: unknown key "a"`,
	} {
		config := DefaultConfig()
		err := yaml.Unmarshal([]byte(text), &config)
		wantError(t, text, err, want)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Train = nil }, "data.train is empty"},
		{func(c *Config) { c.Train = Sources{{Path: "", Weight: 1}} }, "data.train[0] has no path"},
		{func(c *Config) { c.Train = Sources{{Path: "a", Weight: 1}, {Path: "b", Weight: -3}} }, "data.train[1] (b): weight -3 must be a number of 0 or more"},
		{func(c *Config) { c.Train = Sources{{Path: "a", Weight: 0}}; c.Stages = Stages{{5, []float64{1}}} }, "data.train: all weights are 0 before data.stages[0]"},
		{func(c *Config) { c.Packing = "tight" }, `data.packing "tight": want stream or documents`},
		{func(c *Config) { c.Stages = Stages{{5, []float64{1, 2}}} }, "data.stages[0]: 2 weights for 1 sources of data.train"},
		{func(c *Config) { c.Stages = Stages{{5, []float64{1}}, {5, []float64{1}}} }, "data.stages[1]: after_tokens (5) must be above 5"},
		{func(c *Config) { c.Train, c.Stages = Sources{{Path: "a", Weight: 1}}, Stages{{5, []float64{0}}} }, "data.stages[0]: no weight is above 0"},
		{func(c *Config) { c.Seq = 0 }, "data.seq (0) must be at least 1"},
		{func(c *Config) { c.Tokenizer = "" }, "data.tokenizer is empty"},
		{func(c *Config) { c.HeldoutFraction = 1 }, "data.heldout_fraction (1) must lie between 0 and 1"},
		{func(c *Config) { c.HeldoutTokens = -1 }, "data.heldout_tokens (-1) must not be negative"},
		{func(c *Config) { c.Heldout = Texts("") }, "data.heldout[0] is empty"},
		{func(c *Config) { c.Heldout = Sources{{Path: "a", Weight: 2}} }, "data.heldout[0] (a): weight 2: held-out text has none"},
		{func(c *Config) { c.Kind = "chats" }, `data.kind "chats": want text, chat or prompt_completion`},
		{func(c *Config) { c.Train[0].Kind = "talk" }, `data.train[0] (go-source): kind "talk": want text, chat or prompt_completion`},
		{func(c *Config) { c.Train[0].Kind = "chat" }, "data.train[0] (go-source): kind chat: go-source is text"},
		{func(c *Config) { c.Heldout = Sources{{Path: "a", Weight: 1, Kind: "talk"}} }, `data.heldout[0] (a): kind "talk"`},
	} {
		config := DefaultConfig()
		c.change(&config)
		wantError(t, c.want, config.Validate(), c.want)
	}
}

// --print-config shows a sentence for each field.
func TestConfigHelp(t *testing.T) {
	for _, kind := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[Source]()} {
		for i := range kind.NumField() {
			field := kind.Field(i)
			if field.Tag.Get("yaml") == "" || !strings.HasSuffix(field.Tag.Get("help"), ".") {
				t.Errorf("%s.%s: yaml %q, help %q", kind.Name(), field.Name, field.Tag.Get("yaml"), field.Tag.Get("help"))
			}
		}
	}
}

// wantError fails the test unless err has all the parts.
func wantError(t *testing.T, name string, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %q", name, parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: error %q does not say %q", name, err, part)
		}
	}
}
