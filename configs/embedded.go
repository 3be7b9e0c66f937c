package configs

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var embedded embed.FS

// Names lists the embedded configs, sorted, with their extension.
func Names() []string {
	entries, err := fs.ReadDir(embedded, ".")
	if err != nil {
		panic(fmt.Sprintf("configs: reading the embedded folder: %v", err))
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

// spellings lists the file names that a config's name may stand for: the name and,
// where it has no YAML extension, the name with one.
func spellings(name string) []string {
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		return []string{name}
	}
	return []string{name, name + ".yaml"}
}
