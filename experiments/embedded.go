package experiments

import "embed"

// Tables are the experiments of the paper's tables, with its numbers. (table6.yaml is a
// configuration of mobilellm-train, as its models are not trained from the first on.)
//
//go:embed table1.yaml table2.yaml table1?.yaml
var Tables embed.FS
