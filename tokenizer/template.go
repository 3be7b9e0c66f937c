package tokenizer

import (
	"encoding/json"
	"path/filepath"
	"strings"
)

// templateFile holds the chat template by itself, as transformers writes it since
// version 4.51.
const templateFile = "chat_template.jinja"

// processorTemplateFile holds the chat template of a model that reads more than text,
// as transformers wrote it before.
const processorTemplateFile = "chat_template.json"

// The names of a tokenizer's chat templates of which it has several.
const (
	DefaultTemplate = "default"
	ToolTemplate    = "tool_use" // for chats with tools
)

// ChatTemplate is the Jinja template that makes a text of a chat's messages, the
// default of [Tokenizer.ChatTemplates].
func (t *Tokenizer) ChatTemplate() (template string, ok bool) {
	template, ok = t.ChatTemplates()[DefaultTemplate]
	return template, ok
}

// ChatTemplates are the Jinja templates by name: those of chat_template.jinja and
// additional_chat_templates, or else of tokenizer_config.json, as transformers has it,
// or else of a processor's chat_template.json. One without a name is the default.
func (t *Tokenizer) ChatTemplates() map[string]string {
	templates := map[string]string{}
	for name, raw := range t.files {
		switch base, isJinja := strings.CutSuffix(filepath.Base(name), ".jinja"); {
		case name == templateFile:
			templates[DefaultTemplate] = string(raw)
		case isJinja && filepath.Dir(name) == templatesDir:
			templates[base] = string(raw)
		}
	}
	for _, name := range []string{ConfigFile, processorTemplateFile} {
		if len(templates) > 0 {
			break
		}
		var file struct {
			Template json.RawMessage `json:"chat_template"`
		}
		if raw := t.files[name]; raw != nil && json.Unmarshal(raw, &file) == nil {
			templates = parseTemplates(file.Template)
		}
	}
	return templates
}

// TemplateTokens are the texts of bos_token and eos_token that a chat template is given:
// those that the files name; empty where they name none.
func (t *Tokenizer) TemplateTokens() (bos, eos string) {
	names, err := t.files.named()
	if err != nil {
		return "", "" // such files make no tokenizer
	}
	return names.BOS.text, names.EOS.text
}

// parseTemplates reads a template, a list of them with names, or an object; nothing of
// anything else.
func parseTemplates(raw json.RawMessage) map[string]string {
	var one *string
	if json.Unmarshal(raw, &one) == nil {
		if one == nil {
			return nil
		}
		return map[string]string{DefaultTemplate: *one}
	}
	var list []struct{ Name, Template string }
	if json.Unmarshal(raw, &list) == nil {
		templates := map[string]string{}
		for _, t := range list {
			templates[t.Name] = t.Template
		}
		return templates
	}
	var templates map[string]string
	if json.Unmarshal(raw, &templates) != nil {
		return nil
	}
	return templates
}
