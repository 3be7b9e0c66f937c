package kernels

import "embed"

// Sources are the kernels' sources. A program that does not name them does not hold
// them.
//
//go:embed *.cu *.cuh
var Sources embed.FS
