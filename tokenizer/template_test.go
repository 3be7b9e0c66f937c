package tokenizer

import (
	"maps"
	"testing"
)

// The order of the files is transformers' 5.23.
func TestChatTemplate(t *testing.T) {
	config := func(template string) Files { return Files{ConfigFile: []byte(`{"chat_template": ` + template + `}`)} }
	for _, tt := range []struct {
		name  string
		files Files
		want  string // empty for none
	}{
		{"nothing", Files{}, ""},
		{"no template", Files{ConfigFile: []byte(`{"bos_token": null}`)}, ""},
		{"null", config(`null`), ""},
		{"one", config(`"{{ x }}\n"`), "{{ x }}\n"},
		{"a list", config(`[{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]`), "D"},
		{"a list without the default", config(`[{"name": "tool_use", "template": "T"}]`), ""},
		{"by name", config(`{"tool_use": "T", "default": "D"}`), "D"},
		{"another form", config(`17`), ""},
		{"a file", Files{templateFile: []byte("F")}, "F"},
		{"a file and the config", config(`"C"`).with(templateFile, []byte("F")), "F"},
		{"the processor's file, which no tokenizer reads", Files{"chat_template.json": []byte(`{"chat_template": "P"}`)}, ""},
	} {
		files := maps.Clone(Bytes().files)
		maps.Copy(files, tt.files)
		tok := &Tokenizer{coder: byteCoder{}, files: files}
		got, ok := tok.ChatTemplate()
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, ok, tt.want)
		}
	}
}
