package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// run makes a folder with empty checkpoints of these steps.
func run(t *testing.T, steps ...int64) string {
	t.Helper()
	dir := t.TempDir()
	for _, step := range steps {
		path := filepath.Join(dir, stepName(step))
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, path, ConfigFile, "{}")
	}
	return dir
}

func steps(t *testing.T, dir string) []int64 {
	t.Helper()
	list, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var steps []int64
	for _, entry := range list {
		steps = append(steps, entry.Step)
	}
	return steps
}

func TestList(t *testing.T) {
	dir := run(t, 200, 3, 123456789, 100)
	put(t, dir, "step-00000007", "a file")
	for _, other := range []string{"step-7", "step-000000008", "step-0000000x", "step--0000001", ".tmp-step-00000009", "notes"} {
		if err := os.Mkdir(filepath.Join(dir, other), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := steps(t, dir), []int64{3, 100, 200, 123456789}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if latest, err := Latest(dir); err != nil || latest.Name != "step-123456789" || latest.Path != filepath.Join(dir, latest.Name) {
		t.Errorf("latest is %+v, %v", latest, err)
	}
	if list, err := List(filepath.Join(dir, "none")); err != nil || list != nil {
		t.Errorf("an absent folder has %v, %v", list, err)
	}
}

func TestPrune(t *testing.T) {
	all := []int64{100, 200, 300, 400, 500, 600}
	for _, tt := range []struct {
		name         string
		keep, every  int
		best, marked string
		want         []int64
	}{
		{name: "the last two", keep: 2, want: []int64{500, 600}},
		{name: "the last and every third hundred", keep: 1, every: 300, want: []int64{300, 600}},
		{name: "the named best", keep: 1, best: "step-00000200", want: []int64{200, 600}},
		{name: "the marked best", keep: 1, marked: "step-00000100", want: []int64{100, 600}},
		{name: "two bests", keep: 1, best: "step-00000200", marked: "step-00000100", want: []int64{100, 200, 600}},
		{name: "all", keep: 0, want: all},
		{name: "more than there are", keep: 9, want: all},
	} {
		dir := run(t, all...)
		if tt.marked != "" {
			if err := MarkBest(dir, tt.marked); err != nil {
				t.Fatal(err)
			}
		}
		removed, err := Prune(dir, tt.keep, tt.every, tt.best)
		if err != nil {
			t.Fatal(err)
		}
		if got := steps(t, dir); !slices.Equal(got, tt.want) || len(removed)+len(got) != len(all) {
			t.Errorf("%s: kept %v, removed %v; want %v kept", tt.name, got, removed, tt.want)
		}
		for _, name := range names(t, dir) {
			if strings.HasPrefix(name, tmpPrefix) {
				t.Errorf("%s: left %s", tt.name, name)
			}
		}
	}
}

func TestBest(t *testing.T) {
	dir := run(t, 100, 200)
	if _, err := Best(dir); !errors.Is(err, ErrNone) {
		t.Errorf("no mark: %v", err)
	}
	for _, name := range []string{"step-00000100", "step-00000200"} {
		if err := MarkBest(dir, name); err != nil {
			t.Fatal(err)
		}
		best, err := Best(dir)
		if err != nil || best.Name != name || best.Path != filepath.Join(dir, name) {
			t.Errorf("marked %s, got %+v, %v", name, best, err)
		}
		if raw, err := os.ReadFile(filepath.Join(dir, "best", ConfigFile)); err != nil || string(raw) != "{}" {
			t.Errorf("through the mark: %q, %v", raw, err)
		}
	}
	for _, name := range []string{"step-00000300", "../x", ""} {
		if err := MarkBest(dir, name); err == nil {
			t.Errorf("%q was marked", name)
		}
	}
	if best, err := Best(dir); err != nil || best.Step != 200 {
		t.Errorf("a refused mark changed the mark to %+v, %v", best, err)
	}
	// A mark whose checkpoint was removed by hand is an error, but protects
	// nothing, so old checkpoints still go.
	if err := os.RemoveAll(filepath.Join(dir, "step-00000200")); err != nil {
		t.Fatal(err)
	}
	if _, err := Best(dir); !errors.Is(err, ErrNone) {
		t.Errorf("a dangling mark: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "step-00000300"), 0o755); err != nil {
		t.Fatal(err)
	}
	if removed, err := Prune(dir, 1, 0, ""); err != nil || !slices.Equal(removed, []string{"step-00000100"}) {
		t.Errorf("removed %v, %v", removed, err)
	}
}
