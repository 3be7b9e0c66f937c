package dataset_test

import (
	"math"
	"reflect"
	"testing"

	"mobilellm/eval/dataset"
)

func record(name string, value any) *dataset.Record {
	return dataset.NewRecord("file:1", map[string]any{name: value})
}

func TestInt(t *testing.T) {
	for _, c := range []struct {
		value any
		want  int
	}{{2.0, 2}, {"3", 3}, {" 1\n", 1}, {true, 1}, {false, 0}, {-1.0, -1}} {
		r := record("label", c.value)
		if got := r.Int("label"); got != c.want || r.Err() != nil {
			t.Errorf("%v is %d, %v, want %d", c.value, got, r.Err(), c.want)
		}
	}
	for _, value := range []any{"", "A", 0.5, math.Inf(1), math.NaN(), 1e300, nil, []any{}, "1.0"} {
		if r := record("label", value); r.Int("label") != 0 || r.Err() == nil {
			t.Errorf("%v is a whole number", value)
		}
	}
}

func TestFields(t *testing.T) {
	r := dataset.NewRecord("file:1", map[string]any{
		"a":   map[string]any{"b": "c", "list": []any{"x", "y"}},
		"a.d": "a key with a dot",
		"all": []any{map[string]any{"text": "1"}, map[string]any{"text": "2"}},
	})
	if got := r.Text("a.b") + r.Text("a.d"); got != "ca key with a dot" {
		t.Errorf("texts %q", got)
	}
	if got := r.Texts("a.list"); !reflect.DeepEqual(got, []string{"x", "y"}) {
		t.Errorf("list %q", got)
	}
	if got := r.Objects("all"); len(got) != 2 || got[1].Text("text") != "2" {
		t.Errorf("objects %v", got)
	}
	if got := record("label", " B ").Index("label", []string{"A", "B"}); got != 1 {
		t.Errorf("index %d", got)
	}
	if r.Err() != nil || r.Missing() {
		t.Error(r.Err())
	}
	r.Objects("all")[0].Text("label")
	r.Text("later")
	const want = `no field "label", there is text`
	if r.Err() == nil || r.Err().Error() != want || !r.Missing() {
		t.Errorf("%v, want %s", r.Err(), want)
	}
}

func TestLabelFile(t *testing.T) {
	for file, want := range map[string]string{"a/valid.jsonl.gz": "a/valid-labels.lst", "dev.jsonl": "dev-labels.lst"} {
		if got := dataset.LabelFile(file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}
