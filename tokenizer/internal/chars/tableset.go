package chars

import (
	"encoding/base64"
	"encoding/binary"
	"sync"
)

// packed is a set in base64: of each range the gap before it and its length less one,
// as unsigned varints.
type packed string

func (p packed) set() *Set {
	raw, err := base64.StdEncoding.DecodeString(string(p))
	if err != nil {
		panic("chars: a broken table: " + err.Error())
	}
	next := func() rune {
		n, width := binary.Uvarint(raw)
		raw = raw[width:]
		return rune(n)
	}
	var ranges []Range
	for at := rune(0); len(raw) > 0; {
		lo := at + next()
		hi := lo + next()
		ranges = append(ranges, Range{lo, hi})
		at = hi + 1
	}
	return Of(ranges...)
}

// unpacked keeps the sets that were asked for.
var unpacked sync.Map

// named is a set of a table, nil for none.
func named(table map[string]packed, name string) *Set {
	p, ok := table[name]
	if !ok {
		return nil
	}
	if s, ok := unpacked.Load(p); ok {
		return s.(*Set)
	}
	s, _ := unpacked.LoadOrStore(p, p.set())
	return s.(*Set)
}
