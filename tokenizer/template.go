package tokenizer

import "encoding/json"

// templateFile holds the chat template by itself, as transformers writes it since
// version 4.51.
const templateFile = "chat_template.jinja"

// defaultTemplate is the name of the template, of several, that a chat without tools
// takes.
const defaultTemplate = "default"

// ChatTemplate is the Jinja template that makes a text of a chat's messages: that of
// chat_template.jinja, or else of tokenizer_config.json, as transformers has it. Of
// several with names it is the one called default.
func (t *Tokenizer) ChatTemplate() (template string, ok bool) {
	if raw, ok := t.files[templateFile]; ok {
		return string(raw), true
	}
	var config struct {
		Template json.RawMessage `json:"chat_template"`
	}
	if raw := t.files[ConfigFile]; raw == nil || json.Unmarshal(raw, &config) != nil {
		return "", false
	}
	return parseTemplate(config.Template)
}

// parseTemplate reads a template, or the default of a list of them or of an object;
// false for anything else.
func parseTemplate(raw json.RawMessage) (string, bool) {
	var one *string
	if json.Unmarshal(raw, &one) == nil {
		if one == nil {
			return "", false
		}
		return *one, true
	}
	var list []struct{ Name, Template string }
	if json.Unmarshal(raw, &list) == nil {
		for _, t := range list {
			if t.Name == defaultTemplate {
				return t.Template, true
			}
		}
		return "", false
	}
	var object map[string]string
	if json.Unmarshal(raw, &object) != nil {
		return "", false
	}
	template, ok := object[defaultTemplate]
	return template, ok
}
