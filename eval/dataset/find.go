package dataset

import (
	"os"
	"strings"

	"mobilellm/data/ingest"
)

// packed are the endings that a file may have beyond its name.
var packed = []string{"", ".gz", ".bz2", ".zst", ".zstd"}

// Find finds the file of a name, packed or not; of a glob that matches several it is the
// pattern.
func Find(pattern string) (string, bool) {
	for _, ending := range packed {
		name := pattern + ending
		if _, err := os.Stat(name); err == nil {
			return name, true
		}
		if !strings.ContainsAny(name, "*?[") {
			continue
		}
		switch files, err := ingest.Files(name); {
		case err != nil:
		case len(files) == 1:
			return files[0], true
		default:
			return name, true
		}
	}
	return "", false
}
