package huggingface

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// None stands for no token.
const None = -1

// Start is the id that the post-processor puts before a text, [None] where it puts
// none there. Of a sequence the last to put one there has the first place.
func (f *File) Start() int32 {
	var start int32 = None
	for _, s := range sequence(f.PostProcessor, processorsOf) {
		if s.Class != nil && (s.Type == "BertProcessing" || s.Type == "RobertaProcessing") {
			start = s.Class.ID
		}
		if s.Type != "TemplateProcessing" || len(s.Single) == 0 || s.Single[0].SpecialToken == nil {
			continue
		}
		if ids := s.SpecialTokens[s.Single[0].SpecialToken.ID].IDs; len(ids) > 0 {
			start = ids[0]
		}
	}
	return start
}

// StartsWith is a post-processor that puts a token before each text, as LLaMA's
// does.
func StartsWith(token string, id int32) *Stage {
	special := func(t int) TemplatePiece { return TemplatePiece{SpecialToken: &TemplateItem{token, t}} }
	text := func(name string, t int) TemplatePiece { return TemplatePiece{Sequence: &TemplateItem{name, t}} }
	return &Stage{
		Type:          "TemplateProcessing",
		Single:        []TemplatePiece{special(0), text("A", 0)},
		Pair:          []TemplatePiece{special(0), text("A", 0), special(1), text("B", 1)},
		SpecialTokens: map[string]TemplateSpecial{token: {token, []int32{id}, []string{token}}},
	}
}

// keptName is the entry of a template's special tokens, used by none of its pieces,
// in which [SetStart] keeps the post-processor that it replaces.
const keptName = "replaced_post_processor"

// SetStart puts a post-processor into a tokenizer.json that puts a token before each
// text, or nothing for [None], and leaves every other byte as it is. [Original]
// takes it out again.
func SetStart(raw []byte, token string, id int32) ([]byte, error) {
	raw, err := Original(raw)
	if err != nil {
		return nil, err
	}
	from, to, err := topLevelValue(raw, postProcessor)
	if err != nil {
		return nil, err
	}
	replaced := string(raw[from:to]) // empty where the file has no such key
	stage := StartsWith(token, id)
	if id == None {
		text := []TemplatePiece{{Sequence: &TemplateItem{"A", 0}}}
		stage = &Stage{Type: "TemplateProcessing", Single: text, Pair: append(text, TemplatePiece{Sequence: &TemplateItem{"B", 1}}), SpecialTokens: map[string]TemplateSpecial{}}
	}
	stage.SpecialTokens[keptName] = TemplateSpecial{keptName, []int32{0}, []string{replaced}}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(stage); err != nil {
		return nil, err
	}
	value := string(bytes.TrimRight(text.Bytes(), "\n"))
	if from == to {
		value = `"` + postProcessor + `":` + value + ","
	}
	return replace(raw, from, to, value), nil
}

const postProcessor = "post_processor"

// Original undoes [SetStart]: it returns the file as it was, raw itself where it
// was never called.
func Original(raw []byte) ([]byte, error) {
	from, to, err := topLevelValue(raw, postProcessor)
	if err != nil {
		return nil, err
	}
	var s Stage
	if from == to || json.Unmarshal(raw[from:to], &s) != nil {
		return raw, nil
	}
	kept, ok := s.SpecialTokens[keptName]
	if !ok || len(kept.Tokens) != 1 {
		return raw, nil
	}
	if kept.Tokens[0] == "" {
		from -= len(`"` + postProcessor + `":`)
		to++
	}
	if from < 0 || to > len(raw) {
		return nil, fmt.Errorf("%s: a broken template", postProcessor)
	}
	return replace(raw, from, to, kept.Tokens[0]), nil
}

func replace(raw []byte, from, to int, value string) []byte {
	out := append(make([]byte, 0, len(raw)+len(value)), raw[:from]...)
	return append(append(out, value...), raw[to:]...)
}

// topLevelValue is where the value of an object's key lies in its text; where the
// key is missing both are the place behind the opening brace.
func topLevelValue(raw []byte, key string) (from, to int, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return 0, 0, fmt.Errorf("not a JSON object: %w", err)
	}
	open := int(d.InputOffset())
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return 0, 0, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return 0, 0, err
		}
		if name == key {
			to = int(d.InputOffset())
			return to - len(value), to, nil
		}
	}
	return open, open, nil
}
