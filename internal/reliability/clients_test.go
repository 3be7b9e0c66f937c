//go:build unix

package reliability

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mobilellm/export/exporttest"
	"mobilellm/internal/testlong"
)

// modelVariable names the model of TestClients, in place of a small one of drawn weights.
const modelVariable = "MOBILELLM_TEST_MODEL"

// tally is what clients got.
type tally struct {
	mu            sync.Mutex
	whole         []time.Duration // of answers from first to last byte
	refused, gone int             // by 429, by the client who went away
	wrong         []string
}

func (a *tally) add(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// ask sends one request, streamed or not, of which every eighth client goes away before
// the end.
func (a *tally) ask(c *http.Client, url string, r *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	leaves := r.IntN(8) == 0
	if leaves {
		defer time.AfterFunc(time.Duration(r.IntN(1000))*time.Millisecond, cancel).Stop()
	}
	stream := r.IntN(2) == 0
	body, _ := json.Marshal(map[string]any{
		"prompt": strings.Repeat("a deep and thin model ", 1+r.IntN(5))[r.IntN(10):], "max_tokens": 8 + r.IntN(56), "stream": stream, "logprobs": 1 + r.IntN(3),
	})
	began := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/completions", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	answer, err := c.Do(request)
	var raw []byte
	if err == nil {
		raw, err = io.ReadAll(answer.Body)
		answer.Body.Close()
	}
	took := time.Since(began)
	switch {
	case leaves && errors.Is(err, context.Canceled):
		a.add(func() { a.gone++ })
	case err != nil:
		a.add(func() { a.wrong = append(a.wrong, err.Error()) })
	case answer.StatusCode == http.StatusTooManyRequests && answer.Header.Get("Retry-After") != "":
		a.add(func() { a.refused++ })
		time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
	case answer.StatusCode != http.StatusOK || stream && !bytes.HasSuffix(raw, []byte("data: [DONE]\n\n")) || !stream && !json.Valid(raw) || bytes.Contains(raw, []byte(`"error"`)):
		a.add(func() { a.wrong = append(a.wrong, fmt.Sprintf("%s %.300s", answer.Status, raw)) })
	default:
		a.add(func() { a.whole = append(a.whole, took) })
	}
}

// numbers are a server's, by their names in Prometheus's format.
func numbers(t *testing.T, url string) map[string]float64 {
	t.Helper()
	r, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	all := map[string]float64{}
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && name != "#" {
			all[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return all
}

// resident is a process's memory in bytes, 0 where there is no /proc.
func resident(pid int) (bytes int64) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	if m := regexp.MustCompile(`VmRSS:\s*(\d+) kB`).FindSubmatch(raw); m != nil {
		bytes, _ = strconv.ParseInt(string(m[1]), 10, 64)
	}
	return bytes << 10
}

// open is how many files a process has open.
func open(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)) // none without /proc
	return len(entries)
}

// For two minutes 64 clients at once ask a server, and some go away: nothing fails but by
// 429, its memory does not grow, and afterwards it has every slot and file back.
func TestClients(t *testing.T) {
	testlong.Only(t)
	const clients, lasts = 64, 2 * time.Minute
	dir, model := t.TempDir(), os.Getenv(modelVariable)
	if model == "" {
		model = filepath.Join(dir, "model")
		if err := exporttest.Bytes(model, 512); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := command(dir, "mobilellm-serve", "--model", model, "--listen", "127.0.0.1:0", "--queue", "48")
	s.Stderr = log
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Process.Kill()
	url := ""
	for end := time.Now().Add(time.Minute); url == ""; time.Sleep(10 * time.Millisecond) {
		raw, err := os.ReadFile(log.Name())
		if m := regexp.MustCompile(`url=(http\S+)`).FindSubmatch(raw); m != nil {
			url = string(m[1])
		} else if err != nil || time.Now().After(end) {
			t.Fatalf("the server does not serve: %v\n%s", err, raw)
		}
	}
	pid, files := s.Process.Pid, open(s.Process.Pid)

	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	var a tally
	var running sync.WaitGroup
	began := time.Now()
	for i := range clients {
		running.Go(func() {
			r := source(uint64(i))
			for time.Since(began) < lasts {
				a.ask(&http.Client{Transport: transport}, url, r)
			}
		})
	}
	var memory []int64 // each second
	for time.Since(began) < lasts {
		time.Sleep(time.Second)
		memory = append(memory, resident(pid))
	}
	running.Wait()
	took := time.Since(began)
	transport.CloseIdleConnections()

	var after map[string]float64
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		after = numbers(t, url)
		http.DefaultClient.CloseIdleConnections()
		if after["mobilellm_slots_active"] == 0 && after["mobilellm_requests_waiting"] == 0 && open(pid) <= files {
			break
		}
	}
	if after["mobilellm_slots_active"] != 0 || after["mobilellm_requests_waiting"] != 0 || after["mobilellm_slots"] != 8 || open(pid) > files {
		t.Errorf("afterwards %d files are open, before %d; %v", open(pid), files, after)
	}
	mean := func(of []int64) int64 {
		sum := int64(0)
		for _, m := range of {
			sum += m
		}
		return sum / int64(len(of))
	}
	quarter := len(memory) / 4
	early, late := mean(memory[quarter:2*quarter]), mean(memory[3*quarter:])
	if late > early+early/20+8<<20 {
		t.Errorf("memory grows from %d to %d MB", early>>20, late>>20)
	}
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	for _, wrong := range a.wrong[:min(len(a.wrong), 5)] {
		t.Error(wrong)
	}
	if len(a.whole) == 0 || a.gone == 0 {
		t.Fatalf("%d answers, %d clients who went away", len(a.whole), a.gone)
	}
	slices.Sort(a.whole)
	share := func(p int) time.Duration { return a.whole[(len(a.whole)-1)*p/100].Round(time.Millisecond) }
	good := len(a.whole) + a.refused + a.gone
	figure(t, fmt.Sprintf("requests of %d clients well answered", clients), good, good+len(a.wrong),
		fmt.Sprintf("(in %v: %d answers, %d times 429, %d gone; p50 %v, p95 %v; %.0f tokens/s; memory %d MB, then %d MB)",
			took.Round(time.Second), len(a.whole), a.refused, a.gone, share(50), share(95), after["mobilellm_drawn_tokens_total"]/took.Seconds(), early>>20, late>>20))
}
