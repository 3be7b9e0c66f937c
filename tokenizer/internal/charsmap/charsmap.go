package charsmap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Map is a normalizer's precompiled rules: a double-array trie from what stands in the
// text to an offset in a table of NUL-ended replacements.
//
// Aoe, "An efficient digital search algorithm by using a double-array
// structure", 1989; the units are laid out as Darts-clone does: bits 0–7 the
// label, 8 whether a leaf hangs below, 9 whether the offset is shifted by
// 8, 10–30 the offset; a leaf has bit 31 and its value below.
type Map struct {
	units []uint32
	table []byte
}

// longestRules bounds how many nested rules a look-up considers, as
// SentencePiece does.
const longestRules = 32

var errBroken = errors.New("broken precompiled_charsmap")

// New reads rules; it is nil for none.
func New(blob []byte) (*Map, error) {
	if len(blob) == 0 {
		return nil, nil
	}
	if len(blob) < 4 {
		return nil, fmt.Errorf("%w: %d bytes", errBroken, len(blob))
	}
	size := int64(binary.LittleEndian.Uint32(blob))
	blob = blob[4:]
	if size > int64(len(blob)) || size < 1024 || size%1024 != 0 {
		return nil, fmt.Errorf("%w: a trie of %d bytes in %d", errBroken, size, len(blob))
	}
	c := &Map{units: make([]uint32, size/4), table: blob[size:]}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(blob[4*i:])
	}
	if len(c.table) > 0 && c.table[len(c.table)-1] != 0 {
		return nil, fmt.Errorf("%w: the table does not end in NUL", errBroken)
	}
	return c, nil
}

func unitOffset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
func unitLabel(u uint32) uint32  { return u & (1<<31 | 0xff) }

// next follows one byte from a node; ok is false where there is no way.
func (c *Map) next(node uint32, b byte) (to, unit uint32, ok bool) {
	at := node ^ uint32(b)
	if int(at) >= len(c.units) || unitLabel(c.units[at]) != uint32(b) {
		return 0, 0, false
	}
	unit = c.units[at]
	return at ^ unitOffset(unit), unit, true
}

// Longest returns the replacement of the longest rule that opens text and how many bytes
// it replaces, 0 where there is none.
func (c *Map) Longest(text []byte) (replacement []byte, width int) {
	node := unitOffset(c.units[0])
	found := -1
	for i, rules := 0, 0; i < len(text) && rules < longestRules; i++ {
		to, unit, ok := c.next(node, text[i])
		if !ok {
			break
		}
		node = to
		if value, ok := c.leaf(node, unit); ok {
			found, width = value, i+1
			rules++
		}
	}
	if found < 0 || found >= len(c.table) {
		return nil, 0
	}
	return c.replacement(found), width
}

// Shortest returns the replacement of the shortest rule that opens text.
func (c *Map) Shortest(text []byte) (replacement []byte, ok bool) {
	node := unitOffset(c.units[0])
	for _, b := range text {
		to, unit, ok := c.next(node, b)
		if !ok || b == 0 {
			break
		}
		node = to
		if value, ok := c.leaf(node, unit); ok {
			if value >= len(c.table) {
				return nil, false
			}
			return c.replacement(value), true
		}
	}
	return nil, false
}

// leaf is the value below a node, if a rule ends there.
func (c *Map) leaf(node, unit uint32) (value int, ok bool) {
	if unit>>8&1 == 0 || int(node) >= len(c.units) {
		return 0, false
	}
	return int(c.units[node] & (1<<31 - 1)), true
}

// replacement is the text at a place of the table, which ends in NUL.
func (c *Map) replacement(at int) []byte {
	return c.table[at : at+bytes.IndexByte(c.table[at:], 0)]
}

// walk calls visit with every step of the trie, each place of it once, by a shortest way:
// the byte, the one before it (0 at the beginning), how many bytes lead there, and
// whether a rule with a value ends there. It stops where visit says false.
func (c *Map) walk(visit func(before, b byte, depth, value int, ends bool) bool) {
	type place struct {
		node   uint32
		before byte
	}
	seen := make([]bool, len(c.units))
	level := []place{{node: unitOffset(c.units[0])}}
	for depth := 1; len(level) > 0; depth++ {
		var below []place
		for _, p := range level {
			for b := 1; b < 256; b++ {
				to, unit, ok := c.next(p.node, byte(b))
				if !ok {
					continue
				}
				value, ends := c.leaf(to, unit)
				if !visit(p.before, byte(b), depth, value, ends) {
					return
				}
				if int(to) < len(seen) && !seen[to] {
					seen[to] = true
					below = append(below, place{to, byte(b)})
				}
			}
		}
		level = below
	}
}

// BindsBlank says whether some rule holds an ASCII letter followed by a blank, or begins
// with an ASCII letter alone: then a text cannot be cut between the two.
func (c *Map) BindsBlank() bool {
	binds := false
	c.walk(func(before, b byte, depth, _ int, ends bool) bool {
		binds = isLetter(before) && b == ' ' || isLetter(b) && depth == 1 && ends
		return !binds
	})
	return binds
}

// Growth is how many times as long a text can become, at most and rounded up.
func (c *Map) Growth() int {
	lengths := make([]int, len(c.table)+1) // of the replacement at each place
	for at := len(c.table) - 1; at >= 0; at-- {
		if c.table[at] != 0 {
			lengths[at] = lengths[at+1] + 1
		}
	}
	growth := 1
	c.walk(func(_, _ byte, depth, value int, ends bool) bool {
		if ends && value < len(c.table) {
			growth = max(growth, (lengths[value]+depth-1)/depth)
		}
		return true
	})
	return growth
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
