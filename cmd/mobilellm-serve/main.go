// Command mobilellm-serve answers OpenAI's API with a trained model. Run it with
// --help.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mobilellm/device"
	"mobilellm/infer"
	"mobilellm/infer/server"
	"mobilellm/internal/cli"
)

const description = `Serve a trained model by OpenAI's API: /v1/completions, /v1/chat/completions,
/v1/models, and /tokenize, /detokenize, /tokenizer_info, /health, /metrics.
The page at / tries the model in a browser.

--model takes a run's folder, of which it uses the best checkpoint or else the
latest, a checkpoint, a Hugging Face folder or a GGUF file.

Ctrl-C and SIGTERM let requests that run end, for --grace at most.

Exit codes:
    0  ended by a signal
    1  error
    2  mistake on the command line`

func main() {
	cli.Main(newCommand(), cli.Options{Graceful: true, Stopping: "stopping when the requests that run are answered; once more stops at once"})
}

type flags struct {
	model, adapter, listen, name, keys  string
	alive                               string // URL of a server to ask instead
	device, precision, kvType, quantize string
	context, slots, workers             int
	grace, arrival                      time.Duration
	options                             server.Options
}

func newCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:     "mobilellm-serve --model PATH",
		Short:   "Serve a trained model by OpenAI's API",
		Long:    description,
		Example: `  mobilellm-serve --model runs/quickstart-1 --listen 127.0.0.1:8080`,
		Args:    cli.NoArguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			if f.alive != "" {
				return healthy(c.Context(), f.alive)
			}
			return f.serve(c.Context(), c.ErrOrStderr())
		},
	}
	l := c.Flags()
	l.StringVar(&f.model, "model", "", "a run's folder, a checkpoint, a Hugging Face folder or a GGUF file")
	l.StringVar(&f.adapter, "adapter", "", "a LoRA adapter to merge into the model's weights: PEFT's folder, or the run that trained it")
	l.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address and port; port 0 takes a free one")
	l.StringVar(&f.name, "name", "", "name of the model in the API; its path's last part by default")
	l.StringVar(&f.device, "device", "cpu", "where to compute: cpu")
	l.StringVar(&f.precision, "precision", "auto", "type of the weights in memory: float32; bf16, of which half as many bytes are read for each token; auto: bf16 where the file has bf16, else float32")
	l.StringVar(&f.kvType, "kv-type", "float32", "type of the KV cache: float32 or bf16")
	l.StringVar(&f.quantize, "quantize", "", "none, or w8a8: linear layers in 8 bits, weights and activations; w8a8-head: embedding and head too; w8a8:asymmetric, w8a8:compressed-tensors: otherwise rounded activations; by default as the file has it")
	l.IntVar(&f.context, "context", 0, "most tokens of a text, prompt included; 0 for the model's context")
	l.IntVar(&f.slots, "slots", 8, "texts that run at once")
	l.IntVar(&f.workers, "workers", 0, "worker threads; 0 is one a processor")
	l.IntVar(&f.options.Queue, "queue", 64, "texts that wait for a slot; more are refused (429)")
	l.IntVar(&f.options.MaxTokens, "max-tokens", 0, "tokens drawn for a choice at most; 0 for what the context has")
	l.IntVar(&f.options.MaxChoices, "max-choices", 64, "prompts times n of a request at most")
	l.Int64Var(&f.options.MaxBody, "max-body", 4<<20, "bytes of a request at most")
	l.DurationVar(&f.options.Timeout, "timeout", 10*time.Minute, "time for a request, waiting included")
	l.DurationVar(&f.arrival, "read-timeout", time.Minute, "time for a request to arrive; its head has 10s at most")
	l.StringVar(&f.keys, "api-key-file", "", "file of API keys, one a line, of which a request must have one")
	l.StringVar(&f.options.Origin, "cors-origin", "", "origin whose pages may call (Access-Control-Allow-Origin); none by default")
	l.StringVar(&f.alive, "check", "", "serve nothing, but ask the server at this URL for its health: exit code 0 where it is well")
	l.DurationVar(&f.grace, "grace", 30*time.Second, "time for requests that run when the server stops")
	return c
}

func (f *flags) serve(ctx context.Context, notes io.Writer) error {
	load, err := f.check()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	defer listener.Close()
	dev, err := device.Open(f.device, f.workers, nil)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	defer dev.Close()
	m, err := infer.LoadAdapted(f.model, f.adapter, dev, load)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	if note := m.Note(); note != "" {
		fmt.Fprintln(notes, "note:", note)
	}
	f.options.Log = slog.New(slog.NewTextHandler(notes, nil))
	if a, ok := listener.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		f.options.Log.Warn("other machines can reach the server", "address", a.String(), "keys", len(f.options.Keys))
	}
	s := server.New(m, f.options)
	err = f.run(ctx, listener, s)
	s.Close()
	return errors.Join(err, m.Close())
}

// healthy asks a server for its health.
func healthy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/health", nil)
	if err != nil {
		return cli.Usagef("--check: %w", err)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("--check: %w", err)
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("--check: %s answers %s", r.URL, a.Status)
	}
	return nil
}

// check reads the flags.
func (f *flags) check() (o infer.LoadOptions, err error) {
	if f.model == "" {
		return o, cli.Usagef("--model is missing: name a run's folder, a checkpoint, a Hugging Face folder or a GGUF file")
	}
	if f.device != "cpu" {
		return o, cli.Usagef("--device (%s): the server computes on the cpu", f.device)
	}
	for name, n := range map[string]int64{"slots": int64(f.slots), "max-choices": int64(f.options.MaxChoices), "max-body": f.options.MaxBody} {
		if n < 1 {
			return o, cli.Usagef("--%s (%d) must be at least 1", name, n)
		}
	}
	for name, d := range map[string]time.Duration{"timeout": f.options.Timeout, "read-timeout": f.arrival} {
		if d <= 0 {
			return o, cli.Usagef("--%s (%v) must be positive", name, d)
		}
	}
	if f.grace < 0 {
		return o, cli.Usagef("--grace (%v) must not be negative", f.grace)
	}
	if f.workers < 0 {
		return o, cli.Usagef("--workers (%d) must not be negative", f.workers)
	}
	if f.options.Queue < 0 || f.context < 0 || f.options.MaxTokens < 0 {
		return o, cli.Usagef("--queue (%d), --context (%d) and --max-tokens (%d) must not be negative", f.options.Queue, f.context, f.options.MaxTokens)
	}
	if err := o.SetTypes(f.precision, f.kvType, f.quantize); err != nil {
		return o, cli.Usagef("--%w", err)
	}
	o.Context, o.Slots = f.context, f.slots
	if f.options.Name = f.name; f.name == "" {
		f.options.Name = strings.TrimSuffix(filepath.Base(filepath.Clean(f.model)), ".gguf")
	}
	if f.keys != "" {
		if f.options.Keys, err = readKeys(f.keys); err != nil {
			return o, fmt.Errorf("--api-key-file: %w", err)
		}
	}
	return o, nil
}

// readKeys reads a key a line; empty lines and those that begin with # are none.
func readKeys(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var keys []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key := strings.TrimSpace(lines.Text()); key != "" && !strings.HasPrefix(key, "#") {
			keys = append(keys, key)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no key", path)
	}
	return keys, nil
}

// run serves until ctx ends, and then for as long as requests run, but no longer than
// the grace. Headers and bodies that do not come are given up.
func (f *flags) run(ctx context.Context, l net.Listener, handler http.Handler) error {
	h := &http.Server{
		Handler: handler, ReadHeaderTimeout: min(f.arrival, 10*time.Second), ReadTimeout: f.arrival, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(f.options.Log.Handler(), slog.LevelDebug),
	}
	f.options.Log.Info("serving", "model", f.options.Name, "url", "http://"+l.Addr().String())
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), f.grace)
	defer cancel()
	if err := h.Shutdown(grace); err != nil {
		f.options.Log.Warn("requests were cut off", "after", f.grace)
		return h.Close()
	}
	return nil
}
