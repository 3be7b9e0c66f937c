package tokenizer

import (
	"maps"
	"testing"
)

// The order of the files is transformers' 5.23; the last one its processors read.
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
		{"a processor's file", Files{processorTemplateFile: []byte(`{"chat_template": "P"}`)}, "P"},
		{"a processor's file and the config", config(`"C"`).with(processorTemplateFile, []byte(`{"chat_template": "P"}`)), "C"},
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

func TestChatTemplates(t *testing.T) {
	named := []byte(`{"chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]}`)
	for _, tt := range []struct {
		name  string
		files Files
		want  map[string]string
	}{
		{"none", Files{}, nil},
		{"by name", Files{ConfigFile: named}, map[string]string{"default": "D", "tool_use": "T"}},
		{"a file before them", Files{ConfigFile: named, templateFile: []byte("F")}, map[string]string{"default": "F"}},
		{
			"files by name",
			Files{templateFile: []byte("F"), templatesDir + "/tool_use.jinja": []byte("U"), "other/x.jinja": nil},
			map[string]string{"default": "F", "tool_use": "U"},
		},
	} {
		files := maps.Clone(Bytes().files)
		maps.Copy(files, tt.files)
		tok := &Tokenizer{coder: byteCoder{}, files: files}
		if got := tok.ChatTemplates(); !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTemplateTokens(t *testing.T) {
	for config, want := range map[string][2]string{
		`{"bos_token": "<s>", "eos_token": {"content": "</s>"}}`: {"<s>", "</s>"},
		`{"bos_token": null, "eos_token": "<|im_end|>"}`:         {"", "<|im_end|>"},
		`{}`: {"", ""},
	} {
		tok := &Tokenizer{coder: byteCoder{}, files: Files{ConfigFile: []byte(config)}}
		if bos, eos := tok.TemplateTokens(); bos != want[0] || eos != want[1] {
			t.Errorf("%s: %q, %q, want %q", config, bos, eos, want)
		}
	}
}
