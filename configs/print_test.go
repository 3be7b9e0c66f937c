package configs

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// named is a value of which there are some names.
type named string

func (named) Choices() string { return "red or blue" }

func TestPrint(t *testing.T) {
	type section struct {
		A int     `yaml:"a" help:"The first."`
		B float64 `yaml:"b"`
	}
	v := struct {
		One section `yaml:"one" help:"A section."`
		Two struct {
			Deep section  `yaml:"deep"`
			List []string `yaml:"list" help:"Names."`
		} `yaml:"two"`
		Off  *section `yaml:"off"`
		Text string   `yaml:"text" help:"A line."`
		Kind named    `yaml:"kind" help:"A colour: {choices}."`
	}{One: section{1, 2e-3}, Text: "yes\nno", Kind: "red"}
	v.Two.List = []string{"a", "1", "x: y"}
	want := `# A section.
one:
  a: 1 # The first.
  b: 0.002

two:
  deep:
    a: 0 # The first.
    b: 0
  list: [a, "1", 'x: y'] # Names.

text: "yes\nno" # A line.
kind: red # A colour: red or blue.
`
	var out bytes.Buffer
	if err := Print(&out, &v); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

// What Print writes loads again to the same values, over whatever defaults.
func TestPrintLoadsAgain(t *testing.T) {
	plain := testDefaults()
	odd := testRun{
		Model: testModel{
			VocabSize: math.MaxInt, Layers: 1, Dim: -4, Heads: 2, FFN: "relu", RoPEBase: math.MaxFloat64,
			NormEps: math.SmallestNonzeroFloat64, LayerSharing: testSharing{"# not a comment", 255},
		},
		Data: testData{
			Train:     []testSource{{"a # b", 0.1}, {"[x]", 3}, {"*.go", 1e-9}},
			Heldout:   []string{"", "null", "~", "0x10", "1_000", "a\tb", "é\u2028x", "2024-01-01", "- x", "'", `"`, "yes", "<<", "\\"},
			Tokenizer: "a very long name, a very long name, a very long name, a very long name, a very long name",
			Mix:       []testPart{{"p", 0.1}, {}},
		},
		Optim:      testOptim{Betas: [2]float64{1.0 / 3, -1e-300}},
		Train:      testTrain{MicroBatch: 12, Seed: math.MaxUint64, Precision: "line\nline\r\n", Recompute: " spaces "},
		Checkpoint: testCheckpoint{Timeout: 3*time.Hour + time.Nanosecond},
		Distil:     &testDistil{Teacher: "t"},
		Note:       map[string]int{"yes": 1, "a b": -1, "": 3},
	}
	for _, run := range []testRun{plain, odd} {
		var out bytes.Buffer
		if err := Print(&out, run); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "run.yaml")
		if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		again := testDefaults()
		if _, err := Load(&again, Source{Name: name}); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		if !reflect.DeepEqual(again, run) {
			t.Errorf("loads as\n%+v\nwant\n%+v\nfrom\n%s", again, run, out.String())
		}
	}
}
