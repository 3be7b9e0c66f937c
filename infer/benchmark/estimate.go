package benchmark

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mobilellm/infer"
)

// Estimate is what the paper's introduction reckons for a phone from the bytes of a
// model: arithmetic, not measured.
type Estimate struct {
	Weights int64 `json:"weight_bytes"` // read for each token
	Cache   int64 `json:"cache_bytes"`  // the KV cache of the model's whole context
	Context int   `json:"context"`
	// Energy is 0.1 J a token for each billion of parameters at a byte a weight (Han et
	// al., 2016; Malladi et al., 2012).
	Energy float64 `json:"joules_per_token"`
	// Battery is the share of a charge of 50 kJ that 64 tokens take.
	Battery float64 `json:"battery_share_of_64_tokens"`
	// Hours is how long a charge lasts at ten tokens a second.
	Hours float64 `json:"hours_at_10_tokens_per_second"`
	// Memory is weights and cache as a share of what an app may take, a tenth of the
	// memory of phones with 6 and 12 GB (Figure 2).
	Memory map[string]float64 `json:"share_of_app_memory"`
	// Block is the bytes of one block's weights, which immediate sharing reads from cache
	// the second time if they fit.
	Block  int64   `json:"block_bytes"`
	Caches []Cache `json:"processor_caches"`
}

// Cache is one of the processor's.
type Cache struct {
	Level int   `json:"level"`
	Bytes int64 `json:"bytes"`
}

const (
	joulesPerGB = 0.1
	chargeJ     = 50e3
)

// EstimateFor reckons a model's.
func EstimateFor(m *infer.Model) Estimate {
	c := m.Config
	e := Estimate{
		Weights: m.Bytes(), Context: c.Context, Cache: m.CacheBytes() * int64(c.Context),
		Block: blockBytes(m), Caches: processorCaches(),
	}
	e.Energy = joulesPerGB * float64(e.Weights) / 1e9
	e.Battery = 64 * e.Energy / chargeJ
	e.Hours = chargeJ / (10 * e.Energy) / 3600
	e.Memory = map[string]float64{}
	for _, gb := range []int{6, 12} {
		e.Memory[strconv.Itoa(gb)+" GB"] = float64(e.Weights+e.Cache) / (0.1 * float64(gb) * 1e9)
	}
	return e
}

// blockBytes are the bytes of a layer's weights.
func blockBytes(m *infer.Model) int64 {
	block, all := int64(0), int64(0)
	for _, p := range m.Config.Parameters() {
		all += p.Size()
		if strings.HasPrefix(p.Name, "model.layers.0.") {
			block += p.Size()
		}
	}
	return int64(float64(block) * float64(m.Bytes()) / float64(all))
}

// processorCaches are those of the first processor from the second level on, where Linux
// tells.
func processorCaches() (caches []Cache) {
	folders, _ := filepath.Glob("/sys/devices/system/cpu/cpu0/cache/index*")
	for _, folder := range folders {
		read := func(name string) string {
			raw, _ := os.ReadFile(filepath.Join(folder, name))
			return strings.TrimSpace(string(raw))
		}
		level, err := strconv.Atoi(read("level"))
		kilobytes, ok := strings.CutSuffix(read("size"), "K")
		size, sizeErr := strconv.ParseInt(kilobytes, 10, 64)
		if err == nil && sizeErr == nil && ok && level > 1 {
			caches = append(caches, Cache{level, size << 10})
		}
	}
	return caches
}
