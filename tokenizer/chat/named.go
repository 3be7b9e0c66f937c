package chat

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"mobilellm/internal/regular"
)

//go:embed templates/chatml.jinja
var chatML string

//go:embed templates/llama-2.jinja
var llama2 string

//go:embed templates/alpaca.jinja
var alpaca string

//go:embed templates/vicuna.jinja
var vicuna string

// named are templates for models that have none. Their generation blocks hold what an
// assistant says with the end of its turn.
var named = map[string]string{"chatml": chatML, "llama-2": llama2, "alpaca": alpaca, "vicuna": vicuna}

// Names are those of the templates that [Source] knows.
func Names() []string { return slices.Sorted(maps.Keys(named)) }

func namesOf() string { return strings.Join(Names(), ", ") }

// Source is the Jinja source of a template by name, for a model that has none: to
// [Parse], and to store with the model.
func Source(name string) (string, error) {
	source, ok := named[name]
	if !ok {
		return "", fmt.Errorf("no chat template named %q; there are %s", name, namesOf())
	}
	return source, nil
}

// SourceOf is the Jinja source of a template by name, or of that file.
func SourceOf(name string) (string, error) {
	source, err := Source(name)
	if err == nil {
		return source, nil
	}
	raw, failed := regular.ReadFile(name)
	if errors.Is(failed, fs.ErrNotExist) {
		return "", err
	}
	return string(raw), failed
}
