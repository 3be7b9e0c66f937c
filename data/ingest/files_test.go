package ingest

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/internal/regular"
)

// tree makes files, and links where a name's content begins with "-> ".
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(content, "-> "); link {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, map[string]string{
		"in/a/x.txt": "x", "in/a-b.txt": "x", "in/a.txt": "x", "in/.hidden": "x", "in/.git/config": "x",
		"in/a/deep/y.txt": "x", "out/run/metrics.jsonl": "x", "in/runs/one/metrics.jsonl": "x", "in/runs/two.txt": "x",
		"[x].txt": "x",

		"links/real.txt": "x", "links/again.txt": "-> real.txt", "links/far.txt": "-> ../in/a.txt", "links/far2.txt": "-> ../in/a.txt",
		"links/nowhere.txt": "-> none", "links/self.txt": "-> self.txt", "links/up": "-> ..", "links/loop": "-> .",
		"linked/folder": "-> ../in/a", "linked/same": "-> ../in/a", "linked/own/z.txt": "x", "linked/alias": "-> own",
	})
	abs := func(names ...string) (paths []string) {
		for _, name := range names {
			paths = append(paths, filepath.Join(dir, name))
		}
		return paths
	}
	for _, c := range []struct {
		path  string
		leave []string
		want  string
	}{
		{"in", nil, "in/a/deep/y.txt in/a/x.txt in/a-b.txt in/a.txt in/runs/one/metrics.jsonl in/runs/two.txt"},
		{"in", abs("in/runs/one", "in/none", "out"), "in/a/deep/y.txt in/a/x.txt in/a-b.txt in/a.txt in/runs/two.txt"},
		{"in", abs("in/a/x.txt"), "in/a/deep/y.txt in/a-b.txt in/a.txt in/runs/one/metrics.jsonl in/runs/two.txt"},
		{"in/runs/one", abs("in/runs/one"), "in/runs/one/metrics.jsonl"}, // named outright
		{"in/runs/one/metrics.jsonl", abs("in"), "in/runs/one/metrics.jsonl"},
		{"in/**/*.jsonl", nil, "in/runs/one/metrics.jsonl"},
		{"in/runs/*", abs("in/runs/one"), "in/runs/two.txt"},
		{"in/**/[mt]*", abs("in/runs/one"), "in/runs/two.txt"},
		{"in/runs/one/*", abs("in/runs"), "in/runs/one/metrics.jsonl"},
		{"[x].txt", nil, "[x].txt"},
		{"linked", nil, "linked/folder/deep/y.txt linked/folder/x.txt linked/own/z.txt"},
		{"links/*.txt", nil, "links/far.txt links/real.txt"},
	} {
		got, err := Files(filepath.Join(dir, c.path), c.leave...)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		for i := range got {
			got[i], _ = filepath.Rel(dir, got[i])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}

	// A link to the folder above leads to everything once, and never ends.
	got, err := Files(filepath.Join(dir, "links"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i], _ = filepath.Rel(filepath.Join(dir, "links"), got[i])
	}
	want := []string{
		"far.txt", "real.txt", "up/[x].txt", "up/in/a/deep/y.txt", "up/in/a/x.txt", "up/in/a-b.txt",
		"up/in/runs/one/metrics.jsonl", "up/in/runs/two.txt", "up/linked/own/z.txt", "up/out/run/metrics.jsonl",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for path, want := range map[string]string{
		"none": "none does not exist", "none*": "matches no file", "no\x1bne": `no\x1bne does not exist`,
		"in/a.txt/b": "not a directory",
	} {
		if _, err := Files(filepath.Join(dir, path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
	if _, err := Files(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// What is no file is listed, refused by name and never opened: a pipe without a
// writer would block, /dev/zero has no end.
func TestSpecial(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, map[string]string{"a.txt": "x", "zero": "-> /dev/zero"})
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Skipf("no sockets here: %v", err)
	}
	defer socket.Close()
	makePipe(t, filepath.Join(dir, "pipe"))
	files, err := Files(dir)
	if err != nil || len(files) != 4 {
		t.Fatalf("%q, %v", files, err)
	}
	for name, want := range map[string]string{"pipe": "pipe is not read: it is a pipe", "socket": "it is a socket", "zero": "it is a device", ".": "it is a folder"} {
		if _, err := Open(filepath.Join(dir, name), Options{}); !errors.Is(err, regular.ErrSpecial) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClean(t *testing.T) {
	for name, want := range map[string]string{
		"plain name.txt": "plain name.txt", "日本語.txt": "日本語.txt",
		"a\x1b[31mb\n.txt": `a\x1b[31mb\n.txt`, "a\xffb": `a\xffb`, "a\u202eb": `a\u202eb`, "a\u009bb\x7f": `a\u009bb\x7f`,
	} {
		if got := Clean(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}
