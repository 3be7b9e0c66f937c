package documents

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"mobilellm/internal/bar/screen"
)

const (
	session = root + "/docs/guide-session.txt"
	columns = 80
)

// commands are those of the guide's blocks, each as a shell reads it: a command, or one in
// the background with what waits for it.
func commands(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "guide.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		one := ""
		for line := range strings.Lines(m[1]) {
			one += line
			if !unfinished.MatchString(line) && !strings.Contains(one, " &\n") {
				list = append(list, one)
				one = ""
			}
		}
		if one != "" {
			list = append(list, one)
		}
	}
	if len(list) < 10 {
		t.Fatalf("%d commands in the guide", len(list))
	}
	return list
}

// unfinished is a line after which a shell wants more.
var unfinished = regexp.MustCompile(`(\\|\||^for .*)\n$`)

// typed is a command as it stands on a terminal, with the shell's prompts.
func typed(command string) string {
	prompt, out := "$ ", ""
	for line := range strings.Lines(strings.ReplaceAll(command, "\t", "  ")) {
		out += prompt + line
		if prompt = "$ "; unfinished.MatchString(line) {
			prompt = "> "
		}
	}
	return out
}

// What landed of the guide's session is of the commands that it has now, fits the terminal
// and knows nothing of the machine's folders.
func TestGuideSession(t *testing.T) {
	raw, err := os.ReadFile(session)
	if err != nil {
		t.Fatal(err)
	}
	rest := string(raw)
	for _, command := range commands(t) {
		_, after, found := strings.Cut(rest, typed(command))
		if !found {
			t.Errorf("the session lacks, or has not in its place,\n%s", typed(command))
			continue
		}
		rest = after
	}
	for i, line := range strings.Split(string(raw), "\n") {
		if n := uniseg.StringWidth(line); n > columns {
			t.Errorf("line %d takes %d columns: %s", i+1, n, line)
		}
		if path := regexp.MustCompile(`/(tmp|home|root|usr)/\S*`).FindString(line); path != "" {
			t.Errorf("line %d names %s", i+1, path)
		}
	}
}

// With MOBILELLM_GUIDE_SESSION=1 the guide is run in a fresh clone, on a pseudo terminal of
// util-linux's script, and what could be read there lands (scripts/guide-session.sh).
func TestRunGuide(t *testing.T) {
	if os.Getenv("MOBILELLM_GUIDE_SESSION") == "" {
		t.Skip("scripts/guide-session.sh runs the guide")
	}
	clone := filepath.Join(t.TempDir(), "mobilellm")
	if text, err := exec.Command("git", "clone", "-q", root, clone).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	began := time.Now()
	var out strings.Builder
	for _, command := range commands(t) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		s := screen.Screen{Columns: columns}
		cmd := exec.CommandContext(ctx, "script", "-qec", fmt.Sprintf(`stty cols %d rows 24; bash -c "$GUIDE"`, columns), "/dev/null")
		cmd.Dir, cmd.Stdout, cmd.Stderr = clone, &s, &s
		cmd.Env = append(os.Environ(), "GUIDE="+command, "PATH="+filepath.Join(clone, "bin")+":"+os.Getenv("PATH"), "SHELL=/bin/bash")
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s%v\n%s", command, err, s.Text())
		}
		out.WriteString(typed(command))
		for line := range strings.Lines(s.Text()) {
			out.WriteString(broken(strings.TrimSuffix(line, "\n")))
		}
	}
	processor := "an unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(info); m != nil {
			processor = string(bytes.TrimSpace(m[1]))
		}
	}
	head := fmt.Sprintf("The commands of guide.md, as a terminal of 80 columns showed them.\n%d cores of %s,\nshared with other work; %s; %.1f minutes with the build.\n\n",
		runtime.NumCPU(), processor, runtime.Version(), time.Since(began).Minutes())
	if err := os.WriteFile(session, []byte(head+out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// broken is a line in the rows that a terminal shows it in.
func broken(line string) string {
	var out strings.Builder
	at := 0
	for g := uniseg.NewGraphemes(line); g.Next(); {
		if at+g.Width() > columns {
			out.WriteByte('\n')
			at = 0
		}
		out.WriteString(g.Str())
		at += g.Width()
	}
	return out.String() + "\n"
}
