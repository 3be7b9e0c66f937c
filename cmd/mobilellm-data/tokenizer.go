package main

import "github.com/spf13/cobra"

func newTokenizer() *cobra.Command {
	c := &cobra.Command{Use: "tokenizer", Short: "Work on tokenizers", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	return c
}
