package sentencepiece

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// charsMap is a normaliser's precompiled rules: a double-array trie from what
// stands in the text to an offset in a table of NUL-ended replacements.
//
// Aoe, "An efficient digital search algorithm by using a double-array
// structure", 1989; the units are laid out as Darts-clone does: bits 0–7 the
// label, 8 whether a leaf hangs below, 9 whether the offset is shifted by
// 8, 10–30 the offset; a leaf has bit 31 and its value below.
type charsMap struct {
	units []uint32
	table []byte
}

// longestRules bounds how many nested rules a look-up considers, as
// SentencePiece does.
const longestRules = 32

var errCharsMap = errors.New("broken precompiled_charsmap")

// newCharsMap is nil for no rules.
func newCharsMap(blob []byte) (*charsMap, error) {
	if len(blob) == 0 {
		return nil, nil
	}
	if len(blob) < 4 {
		return nil, fmt.Errorf("%w: %d bytes", errCharsMap, len(blob))
	}
	size := int64(binary.LittleEndian.Uint32(blob))
	blob = blob[4:]
	if size > int64(len(blob)) || size < 1024 || size%1024 != 0 {
		return nil, fmt.Errorf("%w: a trie of %d bytes in %d", errCharsMap, size, len(blob))
	}
	c := &charsMap{units: make([]uint32, size/4), table: blob[size:]}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(blob[4*i:])
	}
	if len(c.table) > 0 && c.table[len(c.table)-1] != 0 {
		return nil, fmt.Errorf("%w: the table does not end in NUL", errCharsMap)
	}
	return c, nil
}

func unitOffset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
func unitLabel(u uint32) uint32  { return u & (1<<31 | 0xff) }

// next follows one byte from a node; ok is false where there is no way.
func (c *charsMap) next(node uint32, b byte) (to, unit uint32, ok bool) {
	at := node ^ uint32(b)
	if int(at) >= len(c.units) || unitLabel(c.units[at]) != uint32(b) {
		return 0, 0, false
	}
	unit = c.units[at]
	return at ^ unitOffset(unit), unit, true
}

// longest returns the replacement of the longest rule that opens text and how
// many bytes it replaces, 0 where there is none.
func (c *charsMap) longest(text []byte) (replacement []byte, width int) {
	node := unitOffset(c.units[0])
	found := -1
	for i, rules := 0, 0; i < len(text) && rules < longestRules; i++ {
		to, unit, ok := c.next(node, text[i])
		if !ok {
			break
		}
		node = to
		if unit>>8&1 == 1 && int(node) < len(c.units) {
			found, width = int(c.units[node]&(1<<31-1)), i+1
			rules++
		}
	}
	if found < 0 || found >= len(c.table) {
		return nil, 0
	}
	end := found
	for c.table[end] != 0 {
		end++
	}
	return c.table[found:end], width
}

// bindsBlank says whether some rule holds an ASCII letter followed by a
// blank, or begins with an ASCII letter alone: then a text cannot be cut
// between the two.
func (c *charsMap) bindsBlank() bool {
	type place struct {
		node   uint32
		letter bool // the last byte
		depth  int
	}
	stack := []place{{node: unitOffset(c.units[0])}}
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for b := range 256 {
			to, unit, ok := c.next(p.node, byte(b))
			if !ok || b == 0 {
				continue
			}
			letter := isLetter(byte(b))
			if p.letter && b == ' ' || letter && p.depth == 0 && unit>>8&1 == 1 {
				return true
			}
			if p.depth < 64 {
				stack = append(stack, place{to, letter, p.depth + 1})
			}
		}
	}
	return false
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
