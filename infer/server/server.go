package server

import (
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mobilellm/infer"
	"mobilellm/infer/grammar"
	"mobilellm/tokenizer/chat"
)

// Options are a server's limits and name.
type Options struct {
	Name       string        // of the model, as /v1/models has it
	Queue      int           // requests that wait; more are refused
	MaxBody    int64         // bytes of a request
	MaxTokens  int           // tokens drawn for a choice; 0 for the context
	MaxChoices int           // prompts times n of a request
	Timeout    time.Duration // of a request, waiting included
	Keys       []string      // of which a request must have one; none for no check
	Origin     string        // that browsers may call from (CORS); empty for none
	Log        *slog.Logger
}

// Server is an http.Handler. Close it after its last request.
type Server struct {
	o        Options
	m        *infer.Model
	s        *infer.Scheduler
	template *chat.Template // nil without one
	tools    templateTools
	noChat   error // why there is none
	started  time.Time
	mux      *http.ServeMux
	counts   [6]atomic.Int64 // answers by hundreds of their status
	seeds    atomic.Uint64

	compiling sync.Mutex
	grammars  map[string]*grammar.Grammar
}

//go:embed index.html
var page []byte

// New serves a model, which nobody else may use until Close.
func New(m *infer.Model, o Options) *Server {
	s := &Server{o: o, m: m, s: infer.NewScheduler(m, o.Queue), started: time.Now(), mux: http.NewServeMux(), grammars: map[string]*grammar.Grammar{}}
	s.template, s.noChat = chat.For(m.Tokenizer, false)
	s.tools = newTemplateTools(m.Tokenizer)
	s.seeds.Store(uint64(time.Now().UnixNano()))
	handle := func(pattern string, f func(http.ResponseWriter, *http.Request) error) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := f(w, r); err != nil {
				s.fail(w, err)
			}
		})
	}
	handle("GET /{$}", s.index)
	handle("GET /health", func(w http.ResponseWriter, _ *http.Request) error { return reply(w, map[string]string{"status": "ok"}) })
	handle("GET /metrics", s.metrics)
	handle("GET /v1/models", s.models)
	handle("GET /v1/models/{model...}", s.model)
	handle("POST /v1/completions", s.completions)
	handle("POST /v1/chat/completions", s.chatCompletions)
	handle("POST /tokenize", s.tokenize)
	handle("POST /detokenize", s.detokenize)
	handle("GET /tokenizer_info", s.tokenizerInfo)
	handle("/", func(_ http.ResponseWriter, r *http.Request) error {
		return &apiError{status: http.StatusNotFound, Message: fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path), Type: "not_found_error"}
	})
	return s
}

// Close ends requests that run and returns when none is left.
func (s *Server) Close() { s.s.Close() }

// apiError is an answer that is no result, in OpenAI's form.
type apiError struct {
	status  int
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func (e *apiError) Error() string { return e.Message }

// invalid is what the caller did wrong, in a field or, with "", otherwise.
func invalid(param, format string, args ...any) error {
	e := &apiError{status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Type: "invalid_request_error"}
	if param != "" {
		e.Param = &param
	}
	return e
}

// known turns an error into an answer.
func known(err error) *apiError {
	var e *apiError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &large):
		return &apiError{status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("the request is longer than %d bytes", large.Limit), Type: "invalid_request_error"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &apiError{status: http.StatusRequestTimeout, Message: "the request did not arrive in time", Type: "invalid_request_error"}
	case errors.Is(err, infer.ErrNoToken):
		return &apiError{status: http.StatusBadRequest, Message: err.Error(), Type: "invalid_request_error"}
	case errors.Is(err, infer.ErrBusy):
		return &apiError{status: http.StatusTooManyRequests, Message: err.Error(), Type: "rate_limit_error"}
	case errors.Is(err, infer.ErrClosed):
		return &apiError{status: http.StatusServiceUnavailable, Message: err.Error(), Type: "api_error"}
	}
	return &apiError{status: http.StatusInternalServerError, Message: err.Error(), Type: "api_error"}
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	e := known(err)
	if e.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]*apiError{"error": e})
}

func reply(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// recorder remembers an answer's status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{w, http.StatusOK}
	s.serve(rec, r)
	s.counts[min(max(rec.status/100, 0), 5)].Add(1)
	if s.o.Log != nil && r.URL.Path != "/health" && r.URL.Path != "/metrics" {
		s.o.Log.Info("request", "method", r.Method, "path", r.URL.Path, "status", rec.status, "seconds", time.Since(start).Seconds(), "from", r.RemoteAddr)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if s.o.Origin != "" {
		h.Set("Access-Control-Allow-Origin", s.o.Origin)
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	open := r.URL.Path == "/health" || r.URL.Path == "/"
	if !open && !s.allowed(r) {
		s.fail(w, &apiError{status: http.StatusUnauthorized, Message: "the API key is missing or wrong: Authorization: Bearer KEY", Type: "invalid_request_error"})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.o.MaxBody)
	s.mux.ServeHTTP(w, r)
}

// allowed compares keys in a time that says nothing of them.
func (s *Server) allowed(r *http.Request) bool {
	if len(s.o.Keys) == 0 {
		return true
	}
	given := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
	ok := 0
	for _, key := range s.o.Keys {
		want := sha256.Sum256([]byte(key))
		ok |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return ok == 1
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:")
	_, err := w.Write(page)
	return err
}

type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (s *Server) object() modelObject {
	return modelObject{s.o.Name, "model", s.started.Unix(), "mobilellm"}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, map[string]any{"object": "list", "data": []modelObject{s.object()}})
}

func (s *Server) model(w http.ResponseWriter, r *http.Request) error {
	if name := r.PathValue("model"); name != s.o.Name {
		return &apiError{status: http.StatusNotFound, Message: fmt.Sprintf("there is no model %q, only %q", name, s.o.Name), Type: "not_found_error"}
	}
	return reply(w, s.object())
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) error {
	st := s.s.Stats()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	var b strings.Builder
	metric := func(name, kind, help string, value any) {
		fmt.Fprintf(&b, "# HELP mobilellm_%s %s\n# TYPE mobilellm_%s %s\nmobilellm_%s %v\n", name, help, name, kind, name, value)
	}
	metric("slots", "gauge", "Texts that can run at once.", st.Slots)
	metric("slots_active", "gauge", "Texts that run.", st.Active)
	metric("requests_waiting", "gauge", "Texts that wait for a slot.", st.Waiting)
	metric("requests_finished_total", "counter", "Texts that ended.", st.Finished)
	metric("requests_refused_total", "counter", "Texts refused because too many waited.", st.Refused)
	metric("prompt_tokens_total", "counter", "Tokens of prompts.", st.Prompt)
	metric("prompt_tokens_cached_total", "counter", "Tokens of prompts that were in the cache.", st.Cached)
	metric("drawn_tokens_total", "counter", "Tokens drawn.", st.Drawn)
	fmt.Fprint(&b, "# HELP mobilellm_responses_total Answers by their status.\n# TYPE mobilellm_responses_total counter\n")
	for i := 2; i < len(s.counts); i++ {
		fmt.Fprintf(&b, "mobilellm_responses_total{code=\"%dxx\"} %d\n", i, s.counts[i].Load())
	}
	_, err := w.Write([]byte(b.String()))
	return err
}
