package apicall

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// API is what may be called.
type API struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Service     string          `json:"service,omitempty"` // that it is of
	Parameters  json.RawMessage `json:"parameters"`        // a JSON schema of the arguments
}

// schema is what [API.Signature] reads of the parameters.
type schema struct {
	Properties map[string]struct {
		Enum []any `json:"enum"`
	} `json:"properties"`
	Required []string `json:"required"`
}

// Signature is a line that tells a model of the API: its arguments, with the values that
// they may have, the optional ones as None.
func (a API) Signature() (string, error) {
	var s schema
	if err := json.Unmarshal(a.Parameters, &s); err != nil {
		return "", fmt.Errorf("API %s: parameters: %w", a.Name, err)
	}
	names, err := a.Arguments()
	if err != nil {
		return "", err
	}
	required := map[string]bool{}
	for _, name := range s.Required {
		required[name] = true
	}
	var args []string
	for _, name := range names {
		arg := name
		if list := s.Properties[name].Enum; len(list) > 0 {
			var texts []string
			for _, v := range list {
				raw, _ := json.Marshal(v) // came from JSON
				texts = append(texts, string(raw))
			}
			arg += ": " + strings.Join(texts, " | ")
		}
		if !required[name] {
			arg += " = None"
		}
		args = append(args, arg)
	}
	text := a.Name + "(" + strings.Join(args, ", ") + ")"
	if a.Description != "" {
		text += ": " + a.Description
	}
	return text, nil
}

// Arguments are the names of the parameters, in the schema's order.
func (a API) Arguments() ([]string, error) {
	var s struct {
		Properties json.RawMessage `json:"properties"`
	}
	names, err := []string{}, json.Unmarshal(a.Parameters, &s)
	if err == nil && len(s.Properties) > 0 {
		names, err = keys(s.Properties)
	}
	if err != nil {
		return nil, fmt.Errorf("API %s: parameters: %w", a.Name, err)
	}
	return names, nil
}

// keys are those of an object, in their order.
func keys(object json.RawMessage) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(errors.New("properties is no object"), err)
	}
	var names []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		names = append(names, key.(string))
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return nil, err
		}
	}
	return names, nil
}
