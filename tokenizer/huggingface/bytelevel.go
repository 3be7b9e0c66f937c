package huggingface

import "fmt"

// The byte-level alphabet: in tokenizer.json a token's bytes are written as
// printable characters, a byte that prints as itself (`!` to `~`, `¡` to `¬`,
// `®` to `ÿ`) as that character and the 68 others as U+0100 onwards in order
// (Radford et al. 2019, section 2.2).

var byteToRune, runeToByte = byteLevelAlphabet()

// beyondLevel is above the alphabet's last character.
const beyondLevel = 256 + 68

// runeToByte has −1 for characters that are not in the alphabet.
func byteLevelAlphabet() (runes [256]rune, bytesOf [beyondLevel]int16) {
	for r := range bytesOf {
		bytesOf[r] = -1
	}
	next := rune(256)
	for b := range rune(256) {
		switch {
		case b >= '!' && b <= '~', b >= '¡' && b <= '¬', b >= '®':
			runes[b] = b
		default:
			runes[b] = next
			next++
		}
		bytesOf[runes[b]] = int16(b)
	}
	return runes, bytesOf
}

// Printable writes a token's bytes in the byte-level alphabet.
func Printable(token []byte) string {
	out := make([]rune, len(token))
	for i, b := range token {
		out[i] = byteToRune[b]
	}
	return string(out)
}

// Unprintable is the inverse of [Printable].
func Unprintable(s string) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r >= beyondLevel || runeToByte[r] < 0 {
			return nil, fmt.Errorf("token %q: character %q is not in the byte-level alphabet", s, r)
		}
		out = append(out, byte(runeToByte[r]))
	}
	return out, nil
}
