package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"reflect"
	"strings"

	"mobilellm/infer"
	"mobilellm/tokenizer/chat"
)

// request are the fields of both kinds of completions; see OpenAI's reference. Those
// that OpenAI has not are llama-server's.
type request struct {
	Model            string          `json:"model"`
	MaxTokens        *int            `json:"max_tokens"`
	Temperature      *float64        `json:"temperature"`
	TopP             *float64        `json:"top_p"`
	TopK             int             `json:"top_k"`
	MinP             float64         `json:"min_p"`
	RepeatPenalty    float64         `json:"repeat_penalty"`
	FrequencyPenalty float64         `json:"frequency_penalty"`
	PresencePenalty  float64         `json:"presence_penalty"`
	N                *int            `json:"n"`
	Seed             *int64          `json:"seed"`
	Stop             json.RawMessage `json:"stop"`
	Stream           bool            `json:"stream"`
	StreamOptions    struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// completionRequest is that of /v1/completions.
type completionRequest struct {
	request
	Prompt   json.RawMessage `json:"prompt"`
	LogProbs *int            `json:"logprobs"`
	Echo     bool            `json:"echo"`
}

// chatRequest is that of /v1/chat/completions.
type chatRequest struct {
	request
	Messages            []chat.Message    `json:"messages"`
	Tools               []json.RawMessage `json:"tools"`
	MaxCompletionTokens *int              `json:"max_completion_tokens"`
	LogProbs            bool              `json:"logprobs"`
	TopLogProbs         int               `json:"top_logprobs"`
	TemplateArguments   map[string]any    `json:"chat_template_kwargs"`
	ToolChoice          json.RawMessage   `json:"tool_choice"`
	Parallel            *bool             `json:"parallel_tool_calls"`
	ResponseFormat      *responseFormat   `json:"response_format"`
}

// most of what a caller may ask for.
const (
	maxStops    = 16
	maxLogProbs = 20
)

// read decodes a request, whose wrong fields are the caller's mistake.
func read(r *http.Request, v any) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) || errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		return invalid("", "the request could not be read: %v", err)
	}
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(raw, v); {
	case errors.As(err, &wrong):
		field := strings.TrimPrefix(wrong.Field, "request.") // of the embedded struct
		return invalid(field, "%s is a JSON %s, want %s", cmp.Or(field, "the request"), wrong.Value, jsonName(wrong.Type))
	case errors.As(err, &syntax):
		return invalid("", "the request is not JSON: %v", err)
	case err != nil:
		return invalid("", "%v", err)
	}
	return nil
}

// jsonName is what a caller knows a field's type by.
func jsonName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "an integer"
	case reflect.Float64:
		return "a number"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

// options are those of a request, how many choices it wants of a prompt, and what ends
// them.
func (s *Server) options(r *request) (o infer.Options, n int, ends []string, err error) {
	o = infer.Options{
		MaxTokens: 16, Temperature: 1, TopK: r.TopK, MinP: r.MinP, RepeatPenalty: r.RepeatPenalty,
		FrequencyPenalty: r.FrequencyPenalty, PresencePenalty: r.PresencePenalty,
	}
	if r.MaxTokens != nil {
		o.MaxTokens = *r.MaxTokens
	}
	if r.Temperature != nil {
		o.Temperature = *r.Temperature
	}
	if r.TopP != nil {
		o.SetTopP(*r.TopP)
	}
	if r.Seed != nil {
		o.Seed = uint64(*r.Seed)
	} else {
		o.Seed = s.seeds.Add(0x9e3779b97f4a7c15)
	}
	n = 1
	if r.N != nil {
		n = *r.N
	}
	most := s.m.Context()
	if s.o.MaxTokens > 0 {
		most = min(most, s.o.MaxTokens)
	}
	switch {
	case n < 1 || n > s.o.MaxChoices:
		return o, 0, nil, invalid("n", "n (%d) must lie between 1 and %d", n, s.o.MaxChoices)
	case o.MaxTokens < 0:
		return o, 0, nil, invalid("max_tokens", "max_tokens (%d) must not be negative", o.MaxTokens)
	case o.Temperature > 100:
		return o, 0, nil, invalid("temperature", "temperature (%g) must lie between 0 and 100", o.Temperature)
	case math.Abs(o.FrequencyPenalty) > 100 || math.Abs(o.PresencePenalty) > 100:
		return o, 0, nil, invalid("", "penalties (%g, %g) must lie between -100 and 100", o.FrequencyPenalty, o.PresencePenalty)
	}
	o.MaxTokens = min(o.MaxTokens, most)
	valid := o
	valid.MaxTokens = max(o.MaxTokens, 1) // 0 echoes a prompt
	if err := valid.Validate(); err != nil {
		return o, 0, nil, invalid("", "%v", err)
	}
	ends, err = stops(r.Stop)
	return o, n, ends, err
}

// stops reads a string or a list of them.
func stops(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		raw, _ = json.Marshal([]string{one})
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, invalid("stop", "stop is no string and no list of strings")
	}
	if len(list) > maxStops {
		return nil, invalid("stop", "stop has %d strings, at most %d are taken", len(list), maxStops)
	}
	for i, text := range list {
		if text == "" {
			return nil, invalid("stop", "stop[%d] is empty", i)
		}
	}
	return list, nil
}

// prompts reads a text, a list of texts, the ids of a text, or a list of such.
func (s *Server) prompts(raw json.RawMessage) ([][]int32, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, invalid("prompt", "prompt is missing")
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return s.encoded([]string{text})
	}
	var ids []int32
	if json.Unmarshal(raw, &ids) == nil && len(ids) > 0 {
		return s.checked([][]int32{ids})
	}
	var texts []string
	if json.Unmarshal(raw, &texts) == nil {
		return s.encoded(texts)
	}
	var lists [][]int32
	if json.Unmarshal(raw, &lists) == nil {
		return s.checked(lists)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(json.Unmarshal(raw, &ids), &wrong) && strings.HasPrefix(wrong.Value, "number ") {
		return nil, invalid("prompt", "prompt: %s is no token id", wrong.Value)
	}
	return nil, invalid("prompt", "prompt is no text, no list of texts and no token ids")
}

func (s *Server) encoded(texts []string) ([][]int32, error) {
	var lists [][]int32
	for _, text := range texts {
		lists = append(lists, s.m.Tokenizer.Prompt(text))
	}
	return s.checked(lists)
}

// checked refuses prompts that the model cannot go on from.
func (s *Server) checked(lists [][]int32) ([][]int32, error) {
	if len(lists) == 0 || len(lists) > s.o.MaxChoices {
		return nil, invalid("prompt", "prompt has %d texts, want 1 to %d", len(lists), s.o.MaxChoices)
	}
	for i, ids := range lists {
		if len(ids) == 0 {
			return nil, invalid("prompt", "prompt %d is empty, and the tokenizer has no token to begin with", i)
		}
		for at, id := range ids {
			if id < 0 || int(id) >= s.m.Config.VocabSize {
				return nil, invalid("prompt", "prompt %d: token %d is %d, the vocabulary has %d", i, at, id, s.m.Config.VocabSize)
			}
		}
	}
	return lists, nil
}

// fits refuses a prompt that leaves no room in the context.
func (s *Server) fits(ids []int32, echo bool) error {
	if n, most := len(ids), s.m.Context(); n > most || n == most && !echo {
		code := "context_length_exceeded"
		e := &apiError{status: http.StatusBadRequest, Type: "invalid_request_error", Code: &code}
		e.Message = fmt.Sprintf("the prompt has %d tokens, which leaves none of the context of %d", n, most)
		return e
	}
	return nil
}
