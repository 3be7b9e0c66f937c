package configs

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mobilellm/data"
)

// pathRun has the keys of text and paths of a real run.
type pathRun struct {
	Data   data.Config `yaml:"data"`
	Number int         `yaml:"number"`
}

// A path or text from --set, the environment or a flag is kept whole, and comes
// back from the printed configuration as it was.
func TestTextIsKeptWhole(t *testing.T) {
	for _, text := range []string{
		"plain.txt", "a #1.txt", "a # b", "#1.txt", "[x].txt", "{a}.txt", "{a: b}", "{a}", "a: b.txt", "a: [b", "*.txt", "&a b.txt", "!x y.txt",
		"a 'quoted' b", `a "quoted" b`, `"a" and "b"`, `"a" # "b"`, "'", `"`, "-", "?", "|", ">", "%a", "@a", "`a`", "a,b", "2024", "1e5", "true", "null", "~", "yes",
		" leading", "trailing ", "two  blanks", "tab\tinside", "line\nbreak", "line\n# break", "a\n---\nb", "a\\nb", "日本語 #1.txt", "a\xff.txt", "a\x1b.txt", "a: b\nc: d", "<<", "=", "a=b=c",
	} {
		want := map[string]reflect.Value{
			"data.train": reflect.ValueOf(data.Sources{{Path: text, Weight: 1}}), "data.heldout": reflect.ValueOf(data.Texts(text)),
			"data.tokenizer": reflect.ValueOf(text), "data.document_separator": reflect.ValueOf(text),
		}
		for key, value := range want {
			sources := map[string]Source{"--set": {Set: []string{key + "=" + text}}}
			if key == "data.train" || key == "data.heldout" {
				sources["flag with a list"] = Source{Flags: map[string]any{key: []string{text}}}
			}
			sources["flag"] = Source{Flags: map[string]any{key: text}}
			if !strings.Contains(text, "\x00") {
				sources["environment"] = Source{EnvPrefix: "WHOLE"}
			}
			for how, source := range sources {
				if name := "WHOLE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")); how == "environment" {
					t.Setenv(name, text)
				} else if err := os.Unsetenv(name); err != nil {
					t.Fatal(err)
				}
				run := pathRun{Data: data.DefaultConfig()}
				if _, err := Load(&run, source); err != nil {
					t.Errorf("%s by %s of %q: %v", key, how, text, err)
					continue
				}
				check := func(how string, run *pathRun) {
					s := newSchema(reflect.TypeFor[pathRun]())
					if got := s.byKey[key].in(reflect.ValueOf(run).Elem(), false); !reflect.DeepEqual(got.Interface(), value.Interface()) {
						t.Errorf("%s by %s of %q: %q", key, how, text, got.Interface())
					}
				}
				check(how, &run)
				check(how+", printed", reload(t, &run))
			}
		}
	}
}

// reload prints a configuration and loads what was printed.
func reload(t *testing.T, run *pathRun) *pathRun {
	t.Helper()
	var out bytes.Buffer
	if err := Print(&out, run); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run.yaml")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	again := pathRun{Data: data.DefaultConfig()}
	if _, err := Load(&again, Source{Name: path}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return &again
}

// Quotes and lists are YAML.
func TestTextAsYAML(t *testing.T) {
	one := func(path string) data.Sources { return data.Sources{{Path: path, Weight: 1}} }
	for _, c := range []struct {
		set   string
		train data.Sources
	}{
		{`data.train="a #1.txt"`, one("a #1.txt")},
		{`data.train= 'a b.txt' `, one("a b.txt")},
		{`data.train = a.txt`, one("a.txt")},
		{`data.train="[x]"`, one("[x]")},
		{`data.train=[a.txt, "b c.txt", {path: c, weight: 2}]`, data.Sources{{Path: "a.txt", Weight: 1}, {Path: "b c.txt", Weight: 1}, {Path: "c", Weight: 2}}},
		{`data.train={path: a.txt, weight: 3}`, data.Sources{{Path: "a.txt", Weight: 3}}},
		{"data.train=- a.txt\n- b.txt", data.Sources{{Path: "a.txt", Weight: 1}, {Path: "b.txt", Weight: 1}}},
		{`data.train={path: a.txt, weigth: 3}`, one("{path: a.txt, weigth: 3}")},
		{`data={train: "a #1.txt", seq: 5}`, one("a #1.txt")},
		{`data={train: [a, b], seq: 5}`, data.Sources{{Path: "a", Weight: 1}, {Path: "b", Weight: 1}}},
	} {
		run := pathRun{Data: data.DefaultConfig()}
		if _, err := Load(&run, Source{Set: []string{c.set}}); err != nil || !reflect.DeepEqual(run.Data.Train, c.train) {
			t.Errorf("%s: %v, %v, want %v", c.set, run.Data.Train, err, c.train)
		}
	}
	run := pathRun{Data: data.DefaultConfig()}
	if _, err := Load(&run, Source{Set: []string{`data.document_separator="\n---\n"`, "number=5 # five"}}); err != nil || run.Data.DocumentSeparator != "\n---\n" || run.Number != 5 {
		t.Errorf("%q, %v", run.Data.DocumentSeparator, err)
	}
	if _, err := Load(&run, Source{Set: []string{"data.train="}}); err == nil || !strings.Contains(err.Error(), "data.train has no value") {
		t.Error(err)
	}
}
