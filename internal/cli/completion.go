package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// values are those of flags that mean the same in every command.
var values = map[string][]string{
	"device":    {"auto", "cpu", "cuda"},
	"precision": {"auto", "float32", "bf16"},
	"kv-type":   {"float32", "bf16"},
	"recompute": {"none", "attention", "block"},
	"protocol":  {"lm-eval", "paper"},
}

// complete offers the values of flags to shells: of --config the embedded ones and files,
// of --set the keys, of --tasks the tasks. Others take files, as the shells do it.
func complete(c *cobra.Command, o Options) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		var offer func(begun string) ([]string, cobra.ShellCompDirective)
		switch known := values[f.Name]; {
		case known != nil:
			offer = func(string) ([]string, cobra.ShellCompDirective) { return known, cobra.ShellCompDirectiveNoFileComp }
		case f.Name == "config":
			offer = func(begun string) ([]string, cobra.ShellCompDirective) {
				return append(configFiles(begun), o.Configs...), cobra.ShellCompDirectiveNoFileComp
			}
		case f.Name == "set" && len(o.Keys) > 0:
			offer = func(string) ([]string, cobra.ShellCompDirective) {
				list := make([]string, len(o.Keys))
				for i, key := range o.Keys {
					list[i] = key + "="
				}
				return list, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
			}
		case f.Name == "tasks" && len(o.Tasks) > 0:
			offer = func(begun string) ([]string, cobra.ShellCompDirective) {
				before := begun[:strings.LastIndexByte(begun, ',')+1]
				list := make([]string, len(o.Tasks))
				for i, task := range o.Tasks {
					list[i] = before + task
				}
				return list, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
			}
		default:
			return
		}
		err := c.RegisterFlagCompletionFunc(f.Name, func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			list, how := offer(begun)
			return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !strings.HasPrefix(s, begun) }), how
		})
		if err != nil {
			panic("cli: completion of --" + f.Name + ": " + err.Error())
		}
	})
	for _, below := range c.Commands() {
		complete(below, o)
	}
}

// configFiles are YAML files, and folders, whose path begins so.
func configFiles(begun string) []string {
	found, err := filepath.Glob(begun + "*")
	if err != nil {
		return nil // no path begins so
	}
	var list []string
	for _, path := range found {
		info, err := os.Stat(path)
		switch ext := filepath.Ext(path); {
		case err != nil:
		case info.IsDir():
			list = append(list, path+"/")
		case ext == ".yaml" || ext == ".yml":
			list = append(list, path)
		}
	}
	return list
}
