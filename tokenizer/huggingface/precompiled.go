package huggingface

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"mobilellm/tokenizer/internal/chars"
	"mobilellm/tokenizer/internal/charsmap"
)

// longestCluster bounds the clusters of characters that rules replace as a whole.
const longestCluster = 5

// precompiled applies SentencePiece's rules as the library does, which is not as
// SentencePiece does: a short cluster of characters that the shortest rule opens is
// replaced as a whole, of others each character by itself.
func precompiled(blob []byte) (normalStep, int, error) {
	rules, err := charsmap.New(blob)
	if err != nil {
		return nil, 0, err
	}
	if rules == nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrKind, errors.New("without precompiled_charsmap"))
	}
	return eachText(func(text []byte) []byte {
		out := make([]byte, 0, len(text)+len(text)/4)
		for len(text) > 0 {
			n := chars.Cluster(text)
			cluster := text[:n]
			text = text[n:]
			if len(cluster) <= longestCluster {
				if to, ok := rules.Shortest(cluster); ok {
					out = append(out, to...)
					continue
				}
			}
			for len(cluster) > 0 {
				_, width := utf8.DecodeRune(cluster)
				if to, ok := rules.Shortest(cluster[:width]); ok {
					out = append(out, to...)
				} else {
					out = append(out, cluster[:width]...)
				}
				cluster = cluster[width:]
			}
		}
		return out
	}), rules.Growth(), nil
}
