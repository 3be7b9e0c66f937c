package experiments

import "embed"

// Tables are the experiments of the paper's tables, with its numbers.
//
//go:embed table*.yaml
var Tables embed.FS
