// Command mobilellm-data turns text into training tokens. Run it with --help.
package main

import "mobilellm/internal/cli"

func main() { cli.Main(newCommand(), cli.Options{Graceful: true}) }
