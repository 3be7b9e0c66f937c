package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mobilellm/export/exporttest"
	"mobilellm/internal/cli/clitest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"mobilellm-serve": main}) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"model", "cut", "other"} {
				if err := exporttest.Bytes(filepath.Join(e.WorkDir, name), 64); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: clitest.Commands(nil),
	})
}

// notes is what a command writes to standard error, read while it runs.
type notes struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all.String()
}

// serving runs the command until stop, which returns when it has ended well.
func serving(t *testing.T, args ...string) (url string, log *notes, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log = &notes{}
	c := newCommand()
	c.SetErr(log)
	c.SetArgs(append(args, "--listen", "127.0.0.1:0"))
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if m := regexp.MustCompile(`url=(http\S+)`).FindStringSubmatch(log.String()); m != nil {
			return m[1], log, stop
		}
	}
	t.Fatalf("the server does not serve: %s", log.String())
	return "", nil, nil
}

// The server answers until it is told to stop, and lets an answer end that it has begun.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := exporttest.Bytes(dir, 64); err != nil {
		t.Fatal(err)
	}
	url, log, stop := serving(t, "--model", dir, "--precision", "bf16", "--kv-type", "bf16")
	if err := healthy(context.Background(), url); err != nil {
		t.Error(err)
	}
	r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": "x", "max_tokens": 50, "stream": true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	ended := make(chan struct{})
	go func() { stop(); close(ended) }()
	raw, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(raw)), "data: [DONE]") {
		t.Errorf("the answer ends with %.200q, %v", raw[max(0, len(raw)-200):], err)
	}
	<-ended
	if err := healthy(context.Background(), url); err == nil {
		t.Error("a server that has ended is healthy")
	}
	if !strings.Contains(log.String(), "model=small") || !strings.Contains(log.String(), "path=/v1/completions status=200") {
		t.Errorf("the log says %s", log.String())
	}
}

// What documents show of the command, it takes.
func TestDocumented(t *testing.T) { clitest.Documented(t, newCommand) }

// Mistakes on the command line, and what is said of them.
func TestMistakes(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/mistakes", Cmds: clitest.Commands(nil)})
}
