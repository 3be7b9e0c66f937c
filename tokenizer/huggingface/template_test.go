package huggingface

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// A post-processor that is put in leaves every other byte as it was, and comes out
// again: of files however they are written, and however often it is changed. (That the
// library and transformers 5.23 take the entry that keeps the old one was tried by hand.)
func TestSetStart(t *testing.T) {
	read := func(name string) []byte {
		raw, err := os.ReadFile("testdata/huggingface/" + name + "/tokenizer.json")
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, read("llama3"), "", "  "); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"compact":         read("gpt2"),
		"with ByteLevel":  read("llama3"),
		"pretty":          pretty.Bytes(),
		"without the key": []byte("\n{ \"version\": \"1.0\", \"added_tokens\": [] }\n"),
		"with a null":     []byte(`{"version": "1.0", "post_processor" : null , "added_tokens": []}`),
		"at the end":      []byte("{\"a\": {\"post_processor\": 1},\t\"post_processor\": {\"type\": \"ByteLevel\", \"x\": \"<é>\\n\"}}"),
	} {
		set := raw
		for _, start := range []struct {
			token string
			id    int32
		}{{"<s>", 7}, {"", None}, {"<|é|>", 0}, {"<|é|>", 0}} {
			var err error
			if set, err = SetStart(set, start.token, start.id); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f, err := Parse(set)
			if err != nil {
				t.Fatalf("%s: %v in %s", name, err, set)
			}
			if got := f.Start(); got != start.id {
				t.Errorf("%s: opened by %d, want %d", name, got, start.id)
			}
			if strings.Count(string(set), keptName) != 2 {
				t.Errorf("%s: what was replaced is kept more than once", name)
			}
			if back, err := Original(set); err != nil || !bytes.Equal(back, raw) {
				t.Errorf("%s with %q: came back as %.300s, %v", name, start.token, back, err)
			}
		}
		if back, err := Original(raw); err != nil || !bytes.Equal(back, raw) {
			t.Errorf("%s: changed without need: %v", name, err)
		}
	}
	if _, err := SetStart([]byte("[]"), "<s>", 1); err == nil {
		t.Error("a list was changed")
	}
}

// What opens a text by post-processors other than a template, as the library's
// encode("fox") begins with it.
func TestStartOfProcessors(t *testing.T) {
	const (
		roberta  = `{"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0],"trim_offsets":true,"add_prefix_space":true}`
		bert     = `{"type":"BertProcessing","sep":["[SEP]",102],"cls":["[CLS]",101]}`
		template = `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<b>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],` +
			`"pair":[],"special_tokens":{"<b>":{"id":"<b>","ids":[7],"tokens":["<b>"]}}}`
		level = `{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`
	)
	for processor, want := range map[string]int32{
		roberta: 0, bert: 101, template: 7, level: None, "null": None,
		`{"type":"Sequence","processors":[` + level + `,` + roberta + `]}`:  0,
		`{"type":"Sequence","processors":[` + template + `,` + bert + `]}`:  101,
		`{"type":"Sequence","processors":[` + template + `,` + level + `]}`: 7,
		`{"type":"Sequence","processors":[` + bert + `,` + template + `]}`:  7,
	} {
		f, err := Parse([]byte(`{"post_processor":` + processor + `}`))
		if err != nil {
			t.Errorf("%s: %v", processor, err)
		} else if got := f.Start(); got != want {
			t.Errorf("%s: opened by %d, want %d", processor, got, want)
		}
	}
	if _, err := Parse([]byte(`{"post_processor":{"type":"BertProcessing","cls":["[CLS]"]}}`)); err == nil {
		t.Error("cls without an id was taken")
	}
}

func TestTooManyStages(t *testing.T) {
	stage := Stage{Type: "WhitespaceSplit"}
	for n, ok := range map[int]bool{maxStages: true, maxStages + 1: false} {
		s := &Stage{Type: "Sequence"}
		for range n {
			s.Pretokenizers = append(s.Pretokenizers, stage)
		}
		if _, err := newPreTokenizer(s); (err == nil) != ok {
			t.Errorf("%d stages: error %v", n, err)
		}
	}
}
