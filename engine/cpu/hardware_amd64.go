package cpu

import (
	"os"
	"strings"
	"sync"
)

// hardwareBF16 reports whether the processor has AVX-512 bf16 or AMX, by the
// kernel's list of what programs may use.
var hardwareBF16 = sync.OnceValue(func() bool {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(info)) {
		if strings.HasPrefix(line, "flags") {
			return strings.Contains(line, " avx512_bf16") || strings.Contains(line, " amx_bf16")
		}
	}
	return false
})
