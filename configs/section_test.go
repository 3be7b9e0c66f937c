package configs

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type sectioned struct {
	Model struct {
		Layers int `yaml:"layers"`
		Dim    int `yaml:"dim"`
	} `yaml:"model"`
	Steps int `yaml:"steps"`
}

func section(t *testing.T, text string) Section {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return Section{File: "sweep.yaml", Node: doc.Content[0]}
}

func TestSections(t *testing.T) {
	c := sectioned{Steps: 1}
	resolved, err := Load(&c, Source{
		Sections: []Section{section(t, "model: {layers: 2, dim: 8}\nsteps: 5"), section(t, "\nmodel: {layers: 3}")},
		Set:      []string{"steps=7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Model.Layers != 3 || c.Model.Dim != 8 || c.Steps != 7 {
		t.Errorf("got %+v", c)
	}
	if origin := resolved.Origin("model.layers").String(); origin != "sweep.yaml:2" {
		t.Errorf("model.layers comes from %s", origin)
	}
	for text, want := range map[string]string{
		"\nmodel: {layer: 3}":  `sweep.yaml:2: unknown key "model.layer": did you mean "model.layers"?`,
		"model: {layers: few}": "sweep.yaml:1: model.layers (few) must be an integer",
		"[1, 2]":               "must be sections of keys",
	} {
		_, err := Load(&c, Source{Sections: []Section{section(t, text)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
