package cli

import (
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mobilellm/internal/bar"
)

const (
	narrowest = 60
	widest    = 100
)

// fitHelp breaks help where the terminal ends, or at the width that terminals have.
func fitHelp(c *cobra.Command) {
	columns := max(narrowest, min(bar.Columns(os.Stdout), widest))
	cobra.AddTemplateFunc("fitting", func(f *pflag.FlagSet) string { return f.FlagUsagesWrapped(columns) })
	c.SetUsageTemplate(strings.NewReplacer(
		".LocalFlags.FlagUsages", "fitting .LocalFlags",
		".InheritedFlags.FlagUsages", "fitting .InheritedFlags",
	).Replace(c.UsageTemplate()))
	fitLong(c, columns)
}

func fitLong(c *cobra.Command, columns int) {
	c.Long = reflow(c.Long, columns)
	for _, below := range c.Commands() {
		fitLong(below, columns)
	}
}

// reflow breaks paragraphs anew: lines that follow each other and begin with no blank.
// An indented line stays by itself.
func reflow(text string, columns int) string {
	var out []string
	var words []string
	end := func() {
		line := ""
		for _, word := range words {
			switch {
			case line == "":
				line = word
			case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns:
				out = append(out, line)
				line = word
			default:
				line += " " + word
			}
		}
		if line != "" {
			out = append(out, line)
		}
		words = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" && line[0] != ' ' {
			words = append(words, strings.Fields(line)...)
			continue
		}
		end()
		out = append(out, line)
	}
	end()
	return strings.Join(out, "\n")
}
