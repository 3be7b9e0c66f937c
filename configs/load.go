package configs

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Source says where a configuration comes from. Later fields override earlier
// ones, but for the environment, which lies between Sections and Set.
type Source struct {
	// Name is the path of a file or, where there is none, the name of an embedded
	// config, with or without ".yaml". Empty: no file, only defaults and overrides.
	Name string
	// Sections are parts of a configuration that stand in files of another kind.
	// Later ones win.
	Sections []Section
	// Set holds overrides "optim.lr=6e-4", their values YAML or text; later
	// ones win.
	Set []string
	// Flags holds the values of command-line flags under the dotted keys that they
	// stand for. A string is taken as it is.
	Flags map[string]any
	// Held is a section whose values into has already, such as "model" of a run that
	// starts from a checkpoint: embedded configs, which are for any model, leave it as it
	// is.
	Held string
	// EnvPrefix is what environment variables start with: with "MOBILELLM" the key
	// optim.lr is read from MOBILELLM_OPTIM_LR. Empty: none is read. An empty
	// variable counts as unset.
	EnvPrefix string
}

// Load reads a configuration into the struct that into points to, which holds the
// defaults. A key that is set nowhere keeps its value; lists are replaced, not
// joined. If into has a method Validate() error it has the last word, and its
// errors are located ([Resolved.Locate]). After an error into is unchanged.
func Load(into any, src Source) (*Resolved, error) {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		panic(fmt.Sprintf("configs: Load needs a pointer to a struct, not %T", into))
	}
	s := newSchema(structType(into))
	chain, err := s.readChain(src.Name)
	if err != nil && chain == nil {
		return nil, err
	}
	errs := []error{err}
	sections, err := s.readSections(src.Sections)
	errs = append(errs, err)
	chain = append(chain, sections...)
	settings, warnings, err := s.merge(chain, src)
	errs = append(errs, err)

	loaded := reflect.New(s.root.typ)
	loaded.Elem().Set(target.Elem())
	s.isolate(loaded.Elem())
	resolved := &Resolved{Warnings: warnings, origins: map[string]Origin{}}
	for _, doc := range slices.Backward(chain[:len(chain)-len(sections)]) {
		resolved.Files = append(resolved.Files, doc.file.label)
	}
	unread := map[string]bool{} // keys
	for _, set := range settings {
		if key := set.field.key; src.Held != "" && strings.HasPrefix(key, src.Held+".") && set.origin.embedded() {
			continue
		}
		resolved.origins[set.field.key] = set.origin
		if err := set.decode(set.field.in(loaded.Elem(), true)); err != nil {
			unread[set.field.key] = true
			if set.isText { // those of a file are told of already
				errs = append(errs, err)
			}
		}
	}
	if v, ok := loaded.Interface().(interface{ Validate() error }); ok {
		errs = append(errs, resolved.Locate(unless(v.Validate(), unread)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	target.Elem().Set(loaded.Elem())
	return resolved, nil
}

// unless leaves of joined errors those that speak of none of the keys, which have no
// value that could be wrong.
func unless(err error, keys map[string]bool) error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil || len(keys) == 0:
		return err
	case ok:
		parts := slices.Clone(joined.Unwrap())
		for i, part := range parts {
			parts[i] = unless(part, keys)
		}
		return errors.Join(parts...)
	}
	for _, key := range dottedKey.FindAllString(err.Error(), -1) {
		if keys[key] {
			return nil
		}
	}
	return err
}

// readChain parses a config and those that it extends, the base first.
func (s *schema) readChain(name string) ([]*document, error) {
	if name == "" {
		return nil, nil
	}
	f, err := openConfig(name, nil)
	if err != nil {
		return nil, err
	}
	var chain []*document
	var errs []error
	for {
		doc, err := s.parseFile(f, -len(chain))
		if doc == nil {
			return nil, errors.Join(append(errs, err)...)
		}
		if err != nil {
			errs = append(errs, err)
		}
		chain = append(chain, doc)
		if doc.extends == "" {
			break
		}
		where := Origin{Kind: FromFile, Name: doc.file.label, Line: doc.extendsLine}
		if f, err = openConfig(doc.extends, f); err != nil {
			return nil, fmt.Errorf("%s: extends: %w", where, err)
		}
		if err := checkCycle(chain, f); err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
	}
	slices.Reverse(chain)
	return chain, errors.Join(errs...)
}

// checkCycle reports a file that comes a second time in the chain.
func checkCycle(chain []*document, next *file) error {
	for i, doc := range chain {
		if doc.file.id != next.id {
			continue
		}
		var labels []string
		for _, doc := range chain[i:] {
			labels = append(labels, doc.file.label)
		}
		return fmt.Errorf("extends forms a cycle: %s → %s", strings.Join(labels, " → "), next.label)
	}
	return nil
}
