package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mobilellm/arch"
	"mobilellm/engine/cpu"
	"mobilellm/infer"
	"mobilellm/tokenizer"
	"mobilellm/tokenizer/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func defaults() Options {
	return Options{Name: "tiny", Queue: 8, MaxBody: 1 << 16, MaxChoices: 8, Timeout: time.Minute}
}

// started is a server with a model of drawn weights over bytes.
func started(t testing.TB, o Options, slots int) (*Server, *httptest.Server) {
	t.Helper()
	return startedWith(t, o, slots, 200)
}

// startedWith is the same with a context of so many tokens.
func startedWith(t testing.TB, o Options, slots, context int) (*Server, *httptest.Server) {
	t.Helper()
	c := arch.Config{
		VocabSize: 257, Layers: 2, Dim: 32, Heads: 4, KVHeads: 2, FFN: arch.SwiGLU, FFNDim: 64, Context: context, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02, LayerSharing: arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2},
	}.Resolved()
	dev := cpu.New(cpu.Options{Workers: 1})
	m, err := infer.New(c, tokenizer.Bytes(), dev, infer.LoadOptions{Slots: slots}, func(name string, dst []float32, shape []int) error {
		r := rand.New(rand.NewPCG(1, uint64(len(name))))
		for i := range dst {
			dst[i] = 1
			if len(shape) > 1 {
				dst[i] = float32(0.3 * r.NormFloat64())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s := New(m, o)
	source, err := chat.Source("chatml")
	if err != nil {
		t.Fatal(err)
	}
	if s.template, err = chat.Parse(source); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		s.Close()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		dev.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s, h
}

func post(t *testing.T, url, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %s: %v", body, raw, err)
	}
	return r.StatusCode, v
}

// at walks an answer: names of objects, places of lists.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v
}

// chunks are the objects of a stream, which ends as it should.
func chunks(t *testing.T, url, body string) []map[string]any {
	t.Helper()
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if kind := r.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("%s: %s", body, kind)
	}
	var list []map[string]any
	done := false
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case !ok:
		case data == "[DONE]":
			done = true
		default:
			var v map[string]any
			if err := json.Unmarshal([]byte(data), &v); err != nil {
				t.Fatal(err)
			}
			list = append(list, v)
		}
	}
	if !done {
		t.Errorf("%s: the stream does not end with [DONE]", body)
	}
	return list
}

func TestCompletions(t *testing.T) {
	_, h := started(t, defaults(), 2)
	url := h.URL + "/v1/completions"
	code, v := post(t, url, `{"prompt": "deep", "max_tokens": 8, "temperature": 0, "unknown": {"field": 1}}`)
	text, _ := at(v, "choices", 0, "text").(string)
	if code != 200 || text == "" || v["object"] != "text_completion" || v["model"] != "tiny" || at(v, "usage", "completion_tokens") != 8.0 || at(v, "choices", 0, "finish_reason") != "length" {
		t.Fatalf("%d %v", code, v)
	}
	var streamed string
	list := chunks(t, url, `{"prompt": "deep", "max_tokens": 8, "temperature": 0, "stream": true, "stream_options": {"include_usage": true}}`)
	for _, c := range list {
		if c["id"] != list[0]["id"] {
			t.Error("a chunk has another id")
		}
		if choices := c["choices"].([]any); len(choices) > 0 {
			streamed += at(choices, 0, "text").(string)
		}
	}
	if last := list[len(list)-1]; streamed != text || at(last, "usage", "total_tokens") != at(v, "usage", "total_tokens") {
		t.Errorf("streamed %q, whole %q; %v", streamed, text, last)
	}
	// Token ids, several prompts, several choices, each with its index.
	code, v = post(t, url, `{"prompt": [[100, 101], [102]], "n": 2, "max_tokens": 3, "seed": 5}`)
	if choices := v["choices"].([]any); code != 200 || len(choices) != 4 || at(choices, 3, "index") != 3.0 || at(v, "usage", "prompt_tokens") != 3.0 {
		t.Errorf("%d %v", code, v)
	}
	_, again := post(t, url, `{"prompt": [[100, 101], [102]], "n": 2, "max_tokens": 3, "seed": 5}`)
	if a, b := fmt.Sprint(again["choices"]), fmt.Sprint(v["choices"]); a != b {
		t.Errorf("the same seed gives %s, then %s", b, a)
	}
	// A stop string ends the text before it.
	stop, _ := json.Marshal(text[len(text)-1:])
	_, v = post(t, url, `{"prompt": "deep", "max_tokens": 8, "temperature": 0, "stop": [`+string(stop)+`]}`)
	if got := at(v, "choices", 0, "text").(string); strings.Contains(got, text[len(text)-1:]) || !strings.HasPrefix(text, got) || at(v, "choices", 0, "finish_reason") != "stop" {
		t.Errorf("with stop %s: %v, without %q", stop, v, text)
	}
}

// What lm-evaluation-harness asks for: the log-probabilities of a prompt.
func TestEcho(t *testing.T) {
	_, h := started(t, defaults(), 1)
	for _, most := range []int{0, 1} {
		code, v := post(t, h.URL+"/v1/completions", fmt.Sprintf(`{"prompt": [100, 101, 102, 195, 169], "max_tokens": %d, "temperature": 0, "logprobs": 1, "echo": true}`, most))
		probs := at(v, "choices", 0, "logprobs")
		if code != 200 || len(at(probs, "tokens").([]any)) != 5+most || at(probs, "token_logprobs", 0) != nil || at(probs, "top_logprobs", 0) != nil {
			t.Fatalf("%d %v", code, v)
		}
		for i := 1; i < 5+most; i++ {
			p := at(probs, "token_logprobs", i).(float64)
			best := math.Inf(-1)
			for _, x := range at(probs, "top_logprobs", i).(map[string]any) {
				best = max(best, x.(float64))
			}
			if p > 0 || p > best+1e-9 || len(at(probs, "top_logprobs", i).(map[string]any)) != 1 {
				t.Errorf("token %d has %v, the likeliest %v", i, p, best)
			}
		}
		text := at(v, "choices", 0, "text").(string)
		if !strings.HasPrefix(text, "defé") {
			t.Errorf("the text is %q", text)
		}
		var streamed string
		for _, c := range chunks(t, h.URL+"/v1/completions", fmt.Sprintf(`{"prompt": [100, 101, 102, 195, 169], "max_tokens": %d, "temperature": 0, "echo": true, "stream": true}`, most)) {
			streamed += at(c, "choices", 0, "text").(string)
		}
		if streamed != text {
			t.Errorf("streamed %q, whole %q", streamed, text)
		}
	}
}

// The token that ends a text is among the tokens, though not in the text: a prompt and
// one token more are always as many log-probabilities, which lm-evaluation-harness relies
// on.
func TestEchoToTheEnd(t *testing.T) {
	_, h := started(t, defaults(), 1)
	for _, stream := range []bool{false, true} {
		found := false
		for seed := 0; seed < 4000 && !found; seed++ {
			body := fmt.Sprintf(`{"prompt": [100, 101], "max_tokens": 1, "temperature": 2, "seed": %d, "logprobs": 1, "echo": true, "stream": %v}`, seed, stream)
			var tokens, probs []any
			var text, finish string
			if stream {
				for _, c := range chunks(t, h.URL+"/v1/completions", body) {
					text += at(c, "choices", 0, "text").(string)
					if p, ok := at(c, "choices", 0, "logprobs").(map[string]any); ok {
						tokens, probs = append(tokens, p["tokens"].([]any)...), append(probs, p["token_logprobs"].([]any)...)
					}
					finish, _ = at(c, "choices", 0, "finish_reason").(string)
				}
			} else {
				_, v := post(t, h.URL+"/v1/completions", body)
				text, finish = at(v, "choices", 0, "text").(string), at(v, "choices", 0, "finish_reason").(string)
				tokens, probs = at(v, "choices", 0, "logprobs", "tokens").([]any), at(v, "choices", 0, "logprobs", "token_logprobs").([]any)
			}
			if len(tokens) != 3 || len(probs) != 3 || probs[0] != nil || probs[2].(float64) >= 0 {
				t.Fatalf("seed %d: tokens %q, log-probabilities %v", seed, tokens, probs)
			}
			if found = finish == "stop"; found && (text != "de" || tokens[2] != "") {
				t.Errorf("the text is %q, the last token %q", text, tokens[2])
			}
		}
		if !found {
			t.Error("no seed ends the text")
		}
	}
}

func TestChat(t *testing.T) {
	_, h := started(t, defaults(), 2)
	url := h.URL + "/v1/chat/completions"
	body := `{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 6, "temperature": 0, "logprobs": true, "top_logprobs": 2`
	code, v := post(t, url, body+`}`)
	text, _ := at(v, "choices", 0, "message", "content").(string)
	if code != 200 || text == "" || at(v, "choices", 0, "message", "role") != "assistant" || v["object"] != "chat.completion" {
		t.Fatalf("%d %v", code, v)
	}
	if tokens := at(v, "choices", 0, "logprobs", "content").([]any); len(tokens) != 6 || len(at(tokens, 0, "top_logprobs").([]any)) != 2 {
		t.Errorf("%v", tokens)
	}
	_, v = post(t, url, `{"messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 2, "max_tokens": 6, "logprobs": true}`)
	tokens := at(v, "choices", 0, "logprobs", "content").([]any)
	if top, ok := at(tokens, 0, "top_logprobs").([]any); !ok || len(top) != 0 || len(tokens) != 2 {
		t.Errorf("two tokens without the likeliest: %v", tokens)
	}
	list := chunks(t, url, body+`, "stream": true}`)
	if at(list[0], "choices", 0, "delta", "role") != "assistant" || at(list[len(list)-1], "choices", 0, "finish_reason") != "length" {
		t.Errorf("begins with %v, ends with %v", list[0], list[len(list)-1])
	}
	var streamed string
	for _, c := range list {
		if x, ok := at(c, "choices", 0, "delta").(map[string]any)["content"]; ok {
			streamed += x.(string)
		}
	}
	if streamed != text {
		t.Errorf("streamed %q, whole %q", streamed, text)
	}
}

func TestMistakes(t *testing.T) {
	s, h := started(t, defaults(), 1)
	long := strings.Repeat("x", 300)
	for _, tt := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"/v1/completions", `{"prompt": `, 400, "not JSON"},
		{"/v1/completions", `[]`, 400, "the request is a JSON array, want an object"},
		{"/v1/completions", `{}`, 400, "prompt is missing"},
		{"/v1/completions", `{"prompt": 7}`, 400, "prompt is no text"},
		{"/v1/completions", `{"prompt": [300]}`, 400, "token 0 is 300, the vocabulary has 257"},
		{"/v1/completions", `{"prompt": [-1]}`, 400, "token 0 is -1"},
		{"/v1/completions", `{"prompt": "x", "max_tokens": "many"}`, 400, "max_tokens is a JSON string, want an integer"},
		{"/v1/completions", `{"prompt": "x", "stream_options": 5}`, 400, "stream_options is a JSON number, want an object"},
		{"/v1/completions", `{"prompt": "x", "stream_options": {"include_usage": 1}}`, 400, "stream_options.include_usage is a JSON number, want true or false"},
		{"/v1/completions", `{"prompt": "x", "max_tokens": -1}`, 400, "max_tokens (-1)"},
		{"/v1/completions", `{"prompt": "x", "max_tokens": 0}`, 400, "needs echo"},
		{"/v1/completions", `{"prompt": "x", "temperature": -1}`, 400, "temperature (-1)"},
		{"/v1/completions", `{"prompt": "x", "top_p": 2}`, 400, "top-p (2)"},
		{"/v1/completions", `{"prompt": "x", "n": 9}`, 400, "n (9) must lie between 1 and 8"},
		{"/v1/completions", `{"prompt": "x", "logprobs": 21}`, 400, "logprobs (21)"},
		{"/v1/completions", `null`, 400, "prompt is missing"},
		{"/v1/completions", ``, 400, "not JSON"},
		{"/v1/completions", `{"prompt": "x"} {}`, 400, "not JSON"},
		{"/v1/completions", `{"prompt": "x", "n": 0}`, 400, "n (0)"},
		{"/v1/completions", `{"prompt": "x", "n": 1.5}`, 400, "n is a JSON number"},
		{"/v1/completions", `{"prompt": "x", "max_tokens": 1e30}`, 400, "max_tokens is a JSON number"},
		{"/v1/completions", `{"prompt": "x", "temperature": 1e400}`, 400, "temperature is a JSON number"},
		{"/v1/completions", `{"prompt": "x", "stream": "yes"}`, 400, "stream is a JSON string"},
		{"/v1/completions", `{"prompt": "x", "stream_options": 5}`, 400, "stream_options is a JSON number"},
		{"/v1/completions", `{"prompt": "x", "repeat_penalty": -1}`, 400, "penalty (-1)"},
		{"/v1/completions", `{"prompt": [1e9]}`, 400, "number 1e9 is no token id"},
		{"/v1/completions", `{"prompt": [2147483647]}`, 400, "token 0 is 2147483647"},
		{"/v1/completions", `{"prompt": [1, 4294967297]}`, 400, "number 4294967297 is no token id"},
		{"/v1/completions", `{"prompt": [[1], []]}`, 400, "prompt 1 is empty"},
		{"/v1/completions", `{"prompt": ["x", 5]}`, 400, "prompt is no text"},
		{"/v1/completions", `{"prompt": ["a", "b", "c", "d", "e"], "n": 2}`, 400, "5 prompts times n of 2"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "top_logprobs": 21}`, 400, "top_logprobs (21)"},
		{"/v1/chat/completions", `{"messages": "x"}`, 400, "messages is a JSON string"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "` + long + `"}]}`, 400, "leaves none of the context of 200"},
		{"/v1/completions", `{"prompt": "x", "stop": 5}`, 400, "stop is no string"},
		{"/v1/completions", `{"prompt": "x", "stop": [""]}`, 400, "stop[0] is empty"},
		{"/v1/completions", `{"prompt": "` + long + `"}`, 400, "leaves none of the context of 200"},
		{"/v1/completions", `{"prompt": "` + strings.Repeat("x", 1<<17) + `"}`, 413, "longer than 65536 bytes"},
		{"/v1/chat/completions", `{"messages": []}`, 400, "messages is empty"},
		{"/v1/chat/completions", `{"messages": "hi"}`, 400, "messages is a JSON string, want an array"},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": 5}]}`, 400, `message of role "user": content: `},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "max_completion_tokens": -1, "max_tokens": 1}`, 400, "(-1) must not be negative"},
		{"/tokenize", `{}`, 400, "content is missing"},
		{"/detokenize", `{"tokens": [999]}`, 400, "token 0 is 999"},
		{"/v1/embeddings", `{}`, 404, "there is no POST /v1/embeddings"},
	} {
		code, v := post(t, h.URL+tt.path, tt.body)
		if field, ok := at(v, "error").(map[string]any)["param"].(string); ok && strings.Contains(field, "request") {
			t.Errorf("%s %.60s: param %q", tt.path, tt.body, field)
		}
		if message, _ := at(v, "error").(map[string]any)["message"].(string); code != tt.code || !strings.Contains(message, tt.want) {
			t.Errorf("%s %.60s: %d %q, want %d %q", tt.path, tt.body, code, message, tt.code, tt.want)
		}
	}
	var err error
	if s.template, err = chat.Parse(`{{ raise_exception("roles must take turns") }}`); err != nil {
		t.Fatal(err)
	}
	if code, v := post(t, h.URL+"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}]}`); code != 400 || !strings.Contains(fmt.Sprint(v), "roles must take turns") {
		t.Errorf("a template that raises: %d %v", code, v)
	}
	if s.template, err = chat.Parse(`{% for i in range(10000000000) %}x{% endfor %}`); err != nil {
		t.Fatal(err)
	}
	if code, v := post(t, h.URL+"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}]}`); code != 400 || !strings.Contains(fmt.Sprint(v), "chat template: ") {
		t.Errorf("a template that loops: %d %v", code, v)
	}
	s.template, s.noChat = nil, chat.ErrNone
	if code, v := post(t, h.URL+"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}]}`); code != 400 || !strings.Contains(fmt.Sprint(v), "no chat template") {
		t.Errorf("without a template: %d %v", code, v)
	}
	if code, v := post(t, h.URL+"/v1/completions", `{"prompt": "x", "max_tokens": 2}`); code != 200 {
		t.Errorf("after all mistakes: %d %v", code, v)
	}
}

func TestTokens(t *testing.T) {
	_, h := started(t, defaults(), 1)
	_, v := post(t, h.URL+"/tokenize", `{"content": "dé", "add_special": true, "with_pieces": true}`)
	if got := fmt.Sprint(v["tokens"]); !strings.Contains(got, "map[id:100 piece:d]") {
		t.Errorf("%s", got)
	}
	_, v = post(t, h.URL+"/tokenize", `{"content": "dé"}`)
	raw, _ := json.Marshal(v)
	_, v = post(t, h.URL+"/detokenize", string(raw))
	if v["content"] != "dé" || v["prompt"] != "dé" {
		t.Errorf("%v", v)
	}
	// vLLM's names, by which lm-evaluation-harness asks.
	for body, want := range map[string]string{`{"prompt": "d", "add_special_tokens": false}`: "[100]", `{"prompt": "d"}`: "[256 100]", `{"content": "d", "add_special": true}`: "[256 100]"} {
		if _, v := post(t, h.URL+"/tokenize", body); fmt.Sprint(v["tokens"]) != want {
			t.Errorf("%s: %v, want %s", body, v, want)
		}
	}
	for path, want := range map[string]string{"/health": "ok", "/v1/models": "tiny", "/v1/models/tiny": "tiny", "/tokenizer_info": "257", "/metrics": "mobilellm_slots 1", "/": "<title>"} {
		r, err := http.Get(h.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != 200 || !bytes.Contains(raw, []byte(want)) {
			t.Errorf("%s: %d %.200s", path, r.StatusCode, raw)
		}
	}
}

func TestKeys(t *testing.T) {
	o := defaults()
	o.Keys, o.Origin = []string{"one", "two"}, "https://example.org"
	_, h := started(t, o, 1)
	for key, want := range map[string]int{"": 401, "three": 401, "two": 200} {
		r, _ := http.NewRequest(http.MethodGet, h.URL+"/v1/models", nil)
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != want || a.Header.Get("Access-Control-Allow-Origin") != o.Origin {
			t.Errorf("key %q: %d, want %d; %v", key, a.StatusCode, want, a.Header)
		}
	}
}

// Many clients at once, some of whom go away: no error but 429, and no slot stays taken.
func TestCrowd(t *testing.T) {
	o := defaults()
	o.Queue = 4
	s, h := started(t, o, 2)
	var mu sync.Mutex
	codes := map[int]int{}
	var clients sync.WaitGroup
	for i := range 32 {
		clients.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if i%3 == 0 {
				time.AfterFunc(time.Duration(i)*time.Millisecond, cancel)
			}
			body := fmt.Sprintf(`{"prompt": "text %d", "max_tokens": 40, "stream": %v}`, i, i%2 == 0)
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+"/v1/completions", strings.NewReader(body))
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			defer a.Body.Close()
			_, _ = io.Copy(io.Discard, a.Body)
			mu.Lock()
			codes[a.StatusCode]++
			mu.Unlock()
			if a.StatusCode == 429 && a.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
		})
	}
	clients.Wait()
	delete(codes, 200)
	delete(codes, 429)
	if len(codes) > 0 {
		t.Errorf("answers %v", codes)
	}
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if st := s.s.Stats(); st.Active == 0 && st.Waiting == 0 {
			break
		} else if time.Now().After(until) {
			t.Fatalf("afterwards %+v", st)
		}
	}
}

// Whatever is asked gets an answer, and what is wrong with it is the caller's mistake.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"prompt": "x", "stop": ["a"], "logprobs": 1, "seed": 1}`,
		`{"prompt": [[1, 2], [3]], "n": 2, "stream_options": null}`,
		`{"prompt": [1, 2], "echo": true, "max_tokens": 0, "stream": true, "stream_options": {"include_usage": true}}`,
		`{"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "top_logprobs": 2, "logprobs": true}`,
		`{"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": {"a": [1]}, "tools": [{}]}`,
		`{"content": "x", "with_pieces": true, "tokens": [1]}`,
	} {
		f.Add(body)
	}
	o := defaults()
	o.MaxTokens = 3
	s, _ := started(f, o, 2)
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"} {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
			var v struct {
				Error *struct{ Message, Type string } `json:"error"`
			}
			if w.Code != 200 && (w.Code < 400 || w.Code > 499 || json.Unmarshal(w.Body.Bytes(), &v) != nil || v.Error == nil || v.Error.Message == "" || v.Error.Type == "") {
				t.Errorf("%s %s: %d %s", path, body, w.Code, w.Body)
			}
		}
	})
}
