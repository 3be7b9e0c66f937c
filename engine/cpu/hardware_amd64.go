package cpu

import (
	"os"
	"strings"
	"sync"
)

// features are what the processor has and the kernel lets programs use.
type features struct {
	amx bool // tiles of bf16, which oneDNN uses
}

var hardware = sync.OnceValue(func() features {
	var f features
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return f
	}
	for line := range strings.Lines(string(info)) {
		if strings.HasPrefix(line, "flags") {
			f.amx = strings.Contains(line, " amx_bf16")
			return f
		}
	}
	return f
})
