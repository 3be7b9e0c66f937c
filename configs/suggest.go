package configs

import (
	"fmt"
	"slices"
	"strings"

	"mobilellm/internal/hint"
)

// suggest says which of the known keys is meant by an unknown one. A key of the
// same last part in another section wins (model.lr → optim.lr), then the key that other
// programs call so (learning_rate → optim.lr), then the smallest edit distance.
func suggest(unknown string, known []string) string {
	if len(known) == 0 {
		return "no key is known here"
	}
	last := lastPart(unknown)
	for _, key := range known {
		if lastPart(key) == last {
			return fmt.Sprintf("did you mean %q?", key)
		}
	}
	if key := hint.Key(last); slices.Contains(known, key) {
		return fmt.Sprintf("did you mean %q?", key)
	}
	key, distance := hint.Nearest(unknown, known)
	if distance <= max(2, len(last)/2) {
		return fmt.Sprintf("did you mean %q?", key)
	}
	return fmt.Sprintf("the nearest key is %q", key)
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
