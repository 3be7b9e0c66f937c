package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mobilellm/export/exporttest"
)

// raw sends text over a connection of its own, and returns the status and the error
// object's message of what comes back; 0 where the server says nothing and hangs up.
func raw(t *testing.T, address, text string) (status int, message string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(c, text) // the server need not read it all
	}()
	defer func() { <-sent }()
	defer c.Close()
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("%.60q: no answer, and the connection stays open", text)
		}
		return 0, ""
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	var v struct{ Error struct{ Message string } }
	if json.Unmarshal(body, &v) == nil {
		return r.StatusCode, v.Error.Message
	}
	return r.StatusCode, string(body)
}

// Requests that are too long, too slow or none: each is answered or given up in time,
// and the server lives on.
func TestHostile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := exporttest.Bytes(dir, 1<<15); err != nil {
		t.Fatal(err)
	}
	const patience = 500 * time.Millisecond
	url, log, _ := serving(t, "--model", dir, "--slots", "2", "--read-timeout", patience.String())
	address := strings.TrimPrefix(url, "http://")
	head := func(length int) string {
		return fmt.Sprintf("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
	}
	const ten = 10 << 20
	for _, tt := range []struct {
		name, text string
		status     int
		want       string
	}{
		{"a body of 10 MB", head(ten) + `{"prompt": "` + strings.Repeat("x", ten-14) + `"}`, 413, "longer than 4194304 bytes"},
		{"10 MB of brackets", head(4<<20) + strings.Repeat("[", 4<<20), 400, "not JSON"},
		{"a body that does not come", head(100) + `{"prompt": `, 408, "did not arrive in time"},
		{"a head that does not end", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-More: ", 0, ""},
		{"nothing", "", 0, ""},
		{"a long head", "GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431, ""},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, ""},
		{"no length that is a number", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400, ""},
	} {
		began := time.Now()
		if status, message := raw(t, address, tt.text); status != tt.status || !strings.Contains(message, tt.want) {
			t.Errorf("%s: %d %.200q, want %d %q", tt.name, status, message, tt.status, tt.want)
		}
		if took := time.Since(began); took > patience+10*time.Second {
			t.Errorf("%s: the server takes %v", tt.name, took)
		}
	}

	// Two hundred slow ones at once take no slot from others.
	var slow sync.WaitGroup
	for i := range 200 {
		slow.Go(func() { raw(t, address, []string{head(100), head(100)[:60]}[i%2]) })
	}
	post := func(body string) (int, string) {
		r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		answer, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		return r.StatusCode, string(answer)
	}
	if status, answer := post(`{"prompt": "x", "max_tokens": 3, "unknown": 1}`); status != 200 {
		t.Errorf("beside slow requests: %d %s", status, answer)
	}
	slow.Wait()

	// The time is for the request to arrive, not for its answer.
	for _, stream := range []bool{false, true} {
		var took time.Duration
		for n := 500; took < 2*patience && n < 32000; n *= 2 {
			began := time.Now()
			status, answer := post(fmt.Sprintf(`{"prompt": "x", "max_tokens": %d, "temperature": 0, "stream": %v}`, n, stream))
			if took = time.Since(began); status != 200 || strings.Contains(answer, `"error"`) {
				t.Fatalf("an answer that takes %v: %d %.300q", took, status, answer)
			}
		}
		if took < 2*patience {
			t.Errorf("no answer takes longer than a request may: %v", took)
		}
	}
	free(t, url)
	if strings.Contains(log.String(), "panic") {
		t.Errorf("the log says %s", log.String())
	}
}
