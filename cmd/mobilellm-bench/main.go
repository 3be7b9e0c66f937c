// Command mobilellm-bench measures this program beside the machine's peaks. Run
// it with --help.
package main

import (
	"github.com/spf13/cobra"

	"mobilellm/configs"
	"mobilellm/internal/cli"
	"mobilellm/train"
)

const description = `Measure training and inference beside the machine's peaks, and how fast text is encoded.

Results go to standard output, what is being measured to standard error.

Exit codes:
    0  done
    1  error
    2  mistake on the command line or in the configuration
  130  interrupted by Ctrl-C
  143  interrupted by SIGTERM`

func main() {
	cli.Main(newCommand(), cli.Options{Graceful: true, Configs: configs.Names(), Keys: configs.Keys(train.RunConfig{})})
}

func newCommand() *cobra.Command {
	c := &cobra.Command{Use: "mobilellm-bench", Short: "Measure training, inference and encoding", Long: description}
	c.AddCommand(trainCommand(), distilCommand(), savesCommand(), layersCommand(), scalingCommand(), inferCommand(), latencyCommand(), tokenizeCommand())
	return c
}
