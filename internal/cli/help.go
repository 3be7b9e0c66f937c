package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mobilellm/internal/bar"
)

const (
	narrowest = 60
	widest    = 100
)

// fitHelp breaks the lines of flags where the terminal ends, or at the width that
// terminals have.
func fitHelp(c *cobra.Command) {
	columns := max(narrowest, min(bar.Columns(os.Stdout), widest))
	cobra.AddTemplateFunc("fitting", func(f *pflag.FlagSet) string { return f.FlagUsagesWrapped(columns) })
	c.SetUsageTemplate(strings.NewReplacer(
		".LocalFlags.FlagUsages", "fitting .LocalFlags",
		".InheritedFlags.FlagUsages", "fitting .InheritedFlags",
	).Replace(c.UsageTemplate()))
}

// Words breaks a list of words, with commas between, into lines of a help text.
func Words(words []string) string {
	const columns = 79
	var text strings.Builder
	at := 0
	for i, word := range words {
		if i < len(words)-1 {
			word += ","
		}
		switch {
		case i == 0:
		case at+1+len(word) > columns:
			text.WriteByte('\n')
			at = 0
		default:
			text.WriteByte(' ')
			at++
		}
		text.WriteString(word)
		at += len(word)
	}
	return text.String()
}
