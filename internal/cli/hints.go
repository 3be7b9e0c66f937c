package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mobilellm/internal/hint"
)

// Annotations of a program's command: what its configurations hold, a word each.
const (
	configsAnnotation = "configs"
	keysAnnotation    = "keys"
)

func annotated(c *cobra.Command, name string) []string {
	return strings.Fields(c.Root().Annotations[name])
}

// flagError adds to the error of an unknown flag what may have been meant.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return Usage(err)
	}
	name := unknown.GetSpecifiedName()
	if short := unknown.GetSpecifiedShortnames(); short != "" { // -lr is one name to who wrote it
		name = short
	}
	name, _, _ = strings.Cut(name, "=")
	return Usagef("%w\nhint: %s", err, meant(c, name))
}

// meant says what stands for a flag that a command does not have.
func meant(c *cobra.Command, name string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	var likely []string
	for _, flag := range append(hint.Flags(name), name) {
		if c.Flags().Lookup(flag) != nil {
			likely = append(likely, "--"+flag)
		}
	}
	if len(likely) > 0 {
		slices.Sort(likely)
		return "did you mean " + strings.Join(likely, " or ") + "?"
	}
	if c.Flags().Lookup("set") != nil {
		if key := keyOf(annotated(c, keysAnnotation), strings.ReplaceAll(name, "-", "_")); key != "" {
			return setting(c, key)
		}
	}
	var flags []string
	c.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	if len(name) > 1 && len(flags) > 0 {
		if near, distance := hint.Nearest(name, flags); distance <= max(1, len(name)/3) {
			return "did you mean --" + near + "?"
		}
	}
	return "see " + c.CommandPath() + " --help"
}

// keyOf is the key of the configuration that a name means: the whole of it, its last
// part, or a name that it has elsewhere.
func keyOf(keys []string, name string) string {
	for _, key := range keys {
		if key == name || key[strings.LastIndexByte(key, '.')+1:] == name {
			return key
		}
	}
	if key := hint.Key(name); slices.Contains(keys, key) {
		return key
	}
	return ""
}

// setting says how a command takes a key: by a flag of its own, or by --set.
func setting(c *cobra.Command, key string) string {
	for _, flag := range []string{strings.ReplaceAll(key[strings.LastIndexByte(key, '.')+1:], "_", "-"), "data"} {
		if f := c.Flags().Lookup(flag); f != nil && strings.Contains(f.Usage, "("+key+")") {
			return "did you mean --" + flag + "?"
		}
	}
	return "a key of the configuration: --set " + key + "=VALUE"
}

// unexpected is the error for an argument that a command does not take.
func unexpected(c *cobra.Command, arg, otherwise string) error {
	return Usagef("unexpected argument %q\nhint: %s", arg, place(c, arg, otherwise))
}

// place says where an argument belongs.
func place(c *cobra.Command, arg, otherwise string) string {
	has := func(flag string) bool { return c.Flags().Lookup(flag) != nil }
	info, err := os.Stat(arg)
	exists := err == nil
	ext := filepath.Ext(arg)
	var commands []string
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() && below.Name() != "help" && below.Name() != "completion" {
			commands = append(commands, below.Name())
		}
	}
	configuration := ext == ".yaml" || ext == ".yml" || slices.Contains(annotated(c, configsAnnotation), arg+".yaml")
	switch {
	case configuration && has("config"):
		return "a configuration is named by --config " + arg
	case configuration && slices.Contains(commands, "run"):
		return fmt.Sprintf("%s run %s", c.CommandPath(), arg)
	case exists && has("model") && (info.IsDir() || ext == ".gguf"):
		return "a model is named by --model " + arg
	case exists && has("data"):
		return "text to train on is named by --data " + arg
	case len(commands) > 0:
		if near, distance := hint.Nearest(arg, commands); distance <= max(1, len(arg)/3) {
			return fmt.Sprintf("did you mean %s %s?", c.CommandPath(), near)
		}
		if otherwise == "" {
			return fmt.Sprintf("commands of %s are %s", c.CommandPath(), strings.Join(commands, ", "))
		}
	}
	if otherwise == "" {
		return "see " + c.CommandPath() + " --help"
	}
	return otherwise
}
