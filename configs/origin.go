package configs

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Kind is the kind of place that a value comes from. A greater kind overrides a
// lesser one.
type Kind int

const (
	FromDefault Kind = iota
	FromFile
	FromEnvironment
	FromSet
	FromFlag
)

// Origin is where the value of a key comes from.
type Origin struct {
	Kind Kind
	// Name is the file ("embedded:125m.yaml" for an embedded one), the environment
	// variable, the text of a --set option or the key that a flag stands for.
	Name string
	// Line counts from 1 in a file and is 0 elsewhere.
	Line int
	// depth orders files: one that extends another lies above it.
	depth int
}

// String names the origin as error messages do: "125m.yaml:7",
// "environment variable MOBILELLM_OPTIM_LR", "--set optim.lr=6e-4".
func (o Origin) String() string {
	switch o.Kind {
	case FromFile:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	case FromEnvironment:
		return "environment variable " + o.Name
	case FromSet:
		return "--set " + o.Name
	case FromFlag:
		return "flag for " + o.Name
	default:
		return "default"
	}
}

// at is o for a line within a value that spans several.
func (o Origin) at(line int) Origin {
	if o.Kind == FromFile && line > 0 {
		o.Line = line
	}
	return o
}

// embedded reports whether a value comes from an embedded config.
func (o Origin) embedded() bool {
	return o.Kind == FromFile && strings.HasPrefix(o.Name, embeddedLabel)
}

// above reports whether a value from o overrides one from other.
func (o Origin) above(other Origin) bool {
	if o.Kind != other.Kind {
		return o.Kind > other.Kind
	}
	return o.depth > other.depth
}

// Resolved says where the values of a loaded configuration come from.
type Resolved struct {
	// Files lists the config and those that it extends, itself first; empty where
	// no config was named.
	Files []string
	// Warnings are remarks for the user, such as an environment variable that looks
	// like a misspelt key.
	Warnings []string

	origins map[string]Origin // of the keys that are not at their default
}

// Origin returns where the value of a dotted key comes from.
func (r *Resolved) Origin(key string) Origin { return r.origins[key] }

// Sets reports whether any key of a section is set anywhere.
func (r *Resolved) Sets(section string) bool {
	for key := range r.origins {
		if strings.HasPrefix(key, section+".") {
			return true
		}
	}
	return false
}

// dottedKey finds what may be a key in a message: "model.dim", "device".
var dottedKey = regexp.MustCompile(`[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*`)

// Locate prefixes err, which may be several joined, with the origin of the keys
// that its first line names: a dotted key anywhere, one without a dot at the
// start. Of several it is the one of the highest precedence, for that is the one
// the user set last. What names no key that was set is the config's as a whole.
func (r *Resolved) Locate(err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		parts := joined.Unwrap()
		// An error that only joins others says nothing of its own.
		if err.Error() == errors.Join(parts...).Error() {
			located := make([]error, len(parts))
			for i, part := range parts {
				located[i] = r.Locate(part)
			}
			return errors.Join(located...)
		}
	}
	if origin, ok := r.blame(err.Error()); ok {
		return fmt.Errorf("%s: %w", origin, err)
	}
	if len(r.Files) > 0 {
		return fmt.Errorf("%s: %w", r.Files[0], err)
	}
	return err
}

func (r *Resolved) blame(message string) (Origin, bool) {
	message, _, _ = strings.Cut(message, "\n")
	var best Origin
	for _, span := range dottedKey.FindAllStringIndex(message, -1) {
		key := message[span[0]:span[1]]
		if span[0] > 0 && !strings.Contains(key, ".") {
			continue // a word, not a key
		}
		if o, ok := r.origins[key]; ok && o.above(best) {
			best = o
		}
	}
	return best, best.Kind != FromDefault
}
