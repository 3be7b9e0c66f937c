package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/cli/clitest"
	"mobilellm/tokenizer"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"mobilellm-serve": main}) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: func(e *testscript.Env) error { return saveModel(filepath.Join(e.WorkDir, "model")) },
		Cmds:  clitest.Commands(nil),
	})
}

// saveModel writes a small model of drawn weights over bytes.
func saveModel(dir string) error {
	c := arch.Default()
	c.VocabSize, c.Layers, c.Dim, c.Heads, c.KVHeads, c.FFNDim, c.Context = 257, 2, 32, 4, 2, 64, 64
	c = c.Resolved()
	r := rand.New(rand.NewPCG(1, 1))
	var weights []safetensors.Tensor
	for _, p := range c.Parameters() {
		values := make([]float32, p.Size())
		for i := range values {
			values[i] = float32(0.3 * r.NormFloat64())
		}
		weights = append(weights, safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: p.Shape, Data: values})
	}
	return checkpoint.SaveModel(dir, checkpoint.Contents{
		Config: c, Meta: checkpoint.Meta{Tokens: tokenizer.ModelTokens{BOS: 256, EOS: []int32{256}, PAD: -1}}, Weights: weights, Tokenizer: tokenizer.Bytes().Save,
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

// The server answers until it is told to stop, and lets an answer end that it has begun.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := saveModel(dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var log notes
	c := newCommand()
	c.SetErr(&log)
	c.SetArgs([]string{"--model", dir, "--listen", "127.0.0.1:0", "--precision", "bf16", "--kv-type", "bf16"})
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	url := ""
	for until := time.Now().Add(time.Minute); url == "" && time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if m := regexp.MustCompile(`url=(http\S+)`).FindStringSubmatch(log.String()); m != nil {
			url = m[1]
		}
	}
	if url == "" {
		t.Fatalf("the server does not serve: %s", log.String())
	}
	r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": "x", "max_tokens": 50, "stream": true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	cancel()
	raw, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(raw)), "data: [DONE]") {
		t.Errorf("the answer ends with %.200q, %v", raw[max(0, len(raw)-200):], err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "model=small") || !strings.Contains(log.String(), "path=/v1/completions status=200") {
		t.Errorf("the log says %s", log.String())
	}
}
