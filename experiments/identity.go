package experiments

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"go.yaml.in/yaml/v3"

	"mobilellm/data"
	"mobilellm/optim"
	"mobilellm/train"
)

// idDigits is the length of an id, 48 bits in hexadecimal.
const idDigits = 12

// outside are the sections that do not change what a run learns: where it computes,
// how often it saves, what is written for those who watch, and the facts of one that has been.
var outside = []string{"device", "checkpoint", "metrics", "run"}

// identify is the id of a configuration: the hash of its keys and values. Two
// machines, two ways to write the same, and another order of keys give one id. What
// is zero or off is left out, so that a key that a later program adds does not
// change the ids of runs that do not use it. initial is the id of the member whose weights
// it starts from, or empty.
func identify(c *train.RunConfig, initial string) (string, error) {
	text, err := print(c)
	if err != nil {
		return "", err
	}
	var keys map[string]any
	if err := yaml.Unmarshal([]byte(text), &keys); err != nil {
		return "", fmt.Errorf("reading a resolved configuration: %w", err)
	}
	for _, name := range outside {
		delete(keys, name)
	}
	if section, ok := keys["data"].(map[string]any); ok {
		maps.DeleteFunc(section, func(name string, value any) bool {
			return (name == "field" || name == "column") && value == data.TextField
		})
	}
	if section, ok := keys["eval"].(map[string]any); ok {
		maps.DeleteFunc(section, func(name string, _ any) bool {
			return name == "data_dir" || len(c.Eval.Tasks) == 0 && (name == "task_items" || name == "protocol")
		})
	}
	if section, ok := keys["train"].(map[string]any); ok {
		maps.DeleteFunc(section, func(name string, _ any) bool {
			return name == "max_hours" || name == "spike_guard" && !c.Train.SpikeGuard.On()
		})
	}
	if section, ok := keys["model"].(map[string]any); ok && !c.Model.Quantize.Rounds() {
		delete(section, "quantize")
	}
	if c.Distil == train.DefaultRun().Distil {
		delete(keys, "distil")
	}
	if section, ok := keys["optim"].(map[string]any); ok {
		maps.DeleteFunc(section, func(name string, _ any) bool {
			return name == "decay_embeddings" || name == "muon" && c.Optim.Name != optim.NameMuon
		})
		if !c.Optim.DecayEmbeddings { // the value that is not the default must not be zero
			section["embeddings"] = "no decay"
		}
	}
	switch section, _ := keys["init"].(map[string]any); {
	case initial == "":
	case c.Init == train.Init{}:
		keys["init"] = initial
	default:
		section["model"] = initial
	}
	canonical, err := json.Marshal(withoutZeros(keys)) // sorts keys
	if err != nil {
		return "", fmt.Errorf("writing a resolved configuration: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])[:idDigits], nil
}

// withoutZeros takes keys without a value, recursively.
func withoutZeros(keys map[string]any) map[string]any {
	maps.DeleteFunc(keys, func(_ string, value any) bool {
		switch v := value.(type) {
		case map[string]any:
			return len(withoutZeros(v)) == 0
		case []any:
			return len(v) == 0
		case nil:
			return true
		}
		return reflect.ValueOf(value).IsZero()
	})
	return keys
}
