package sgd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"mobilellm/data/apicall"
)

// service is one of a schema.json.
type service struct {
	Name    string   `json:"service_name"`
	Slots   []slot   `json:"slots"`
	Intents []intent `json:"intents"`
}

type slot struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Categorical bool     `json:"is_categorical"`
	Values      []string `json:"possible_values"`
}

type intent struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Required    []string       `json:"required_slots"`
	Optional    map[string]any `json:"optional_slots"` // with their defaults
}

// apis are the service's intents with JSON schemas of their slots, the required ones
// first: one of few values is an enum, any other a string.
func (s service) apis() ([]apicall.API, error) {
	var list []apicall.API
	for _, i := range s.Intents {
		var properties bytes.Buffer
		for n, name := range append(slices.Clone(i.Required), slices.Sorted(maps.Keys(i.Optional))...) {
			at := slices.IndexFunc(s.Slots, func(slot slot) bool { return slot.Name == name })
			if at < 0 {
				return nil, fmt.Errorf("service %s: intent %s wants the slot %q, which the service lacks", s.Name, i.Name, name)
			}
			if n > 0 {
				properties.WriteString(", ")
			}
			properties.WriteString(text(name) + ": " + s.Slots[at].schema())
		}
		required := "[]"
		if len(i.Required) > 0 {
			raw, _ := json.Marshal(i.Required) // strings
			required = string(raw)
		}
		list = append(list, apicall.API{
			Name: i.Name, Description: i.Description, Service: s.Name,
			Parameters: json.RawMessage(`{"type": "object", "properties": {` + properties.String() + `}, "required": ` + required + `, "additionalProperties": false}`),
		})
	}
	return list, nil
}

// schema is that of the slot's values.
func (s slot) schema() string {
	if s.Categorical && len(s.Values) > 0 {
		raw, _ := json.Marshal(s.Values) // strings
		return `{"type": "string", "enum": ` + string(raw) + `}`
	}
	return `{"type": "string", "description": ` + text(s.Description) + `}`
}

func text(s string) string {
	raw, _ := json.Marshal(s) // a string
	return string(raw)
}
