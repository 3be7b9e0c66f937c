//go:build gpu

package kernels

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed binary/*.fatbin
var binaries embed.FS

// Module is a fat binary, which the driver loads as it is.
type Module struct {
	Name  string // of the source, without its ending
	Image []byte
}

// Modules are all kernels, by the names of their sources. A kernel's name is found
// in one of them only.
func Modules() ([]Module, error) {
	files, err := binaries.ReadDir("binary")
	if err != nil {
		return nil, fmt.Errorf("kernels: %w", err)
	}
	var modules []Module
	for _, f := range files {
		image, err := binaries.ReadFile("binary/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("kernels: %w", err)
		}
		modules = append(modules, Module{strings.TrimSuffix(f.Name(), ".fatbin"), image})
	}
	return modules, nil
}
