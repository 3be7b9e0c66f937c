package experiments

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"

	"mobilellm/train"
)

// idDigits is the length of an id, 48 bits in hexadecimal.
const idDigits = 12

// outside are the sections that do not change what a run learns: where it computes,
// how often it saves, and the facts of one that has been.
var outside = []string{"device", "checkpoint", "run"}

// identify is the id of a configuration: the hash of its keys and values. Two
// machines, two ways to write the same, and another order of keys give one id.
func identify(c *train.RunConfig) (string, error) {
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
	canonical, err := json.Marshal(keys) // sorts keys
	if err != nil {
		return "", fmt.Errorf("writing a resolved configuration: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])[:idDigits], nil
}
