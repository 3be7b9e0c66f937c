package merge

import (
	"math"
	"math/bits"
)

// Rule says what a pair of symbols becomes and how early.
type Rule struct {
	Pair   uint64 // see [Key]
	Rank   int32
	Joined int32
}

// None is the rank of a pair without a rule.
const None = math.MaxInt32

// Key packs a pair of symbols.
func Key(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// Table finds the rule of a pair: an open-addressing hash table at most half
// full, which is several times quicker here than Go's map.
type Table struct {
	rules []Rule
	shift int
}

// NewTable holds the rules; of two for one pair it keeps the first.
func NewTable(rules []Rule) Table {
	logSize := bits.Len(uint(2*len(rules) + 1))
	t := Table{rules: make([]Rule, 1<<logSize), shift: 64 - logSize}
	for i := range t.rules {
		t.rules[i].Rank = None
	}
	for _, r := range rules {
		if slot := t.find(r.Pair); slot.Rank == None {
			*slot = r
		}
	}
	return t
}

// Find returns the rule of a pair, of rank [None] where there is none.
func (t *Table) Find(left, right int32) *Rule { return t.find(Key(left, right)) }

func (t *Table) find(pair uint64) *Rule {
	mask := len(t.rules) - 1
	i := int((pair * 0x9e3779b97f4a7c15) >> t.shift)
	for {
		r := &t.rules[i&mask]
		if r.Rank == None || r.Pair == pair {
			return r
		}
		i++
	}
}
