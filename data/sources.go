package data

import "sort"

// MeasuresSources reports whether the text to train on is a mixture: of several sources
// that are drawn from apart, whose losses are told apart.
func (c Config) MeasuresSources() bool { return len(c.Train) > 1 && (c.mixes() || c.Converses()) }

// Sources are the names of the corpus's sources, in the order of data.train; nil where
// they are one.
func (m *TokenCorpus) Sources() []string {
	if m.mixture != nil {
		return namesOfParts(m.mixture.parts)
	}
	return namesOfParts(m.parts)
}

func namesOfParts(parts []part) (names []string) {
	if len(parts) < 2 {
		return nil
	}
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// numberParts fills dst with the numbers of the parts in which the positions from at on lie.
func numberParts(dst []int32, parts []part, at int64) {
	which := sort.Search(len(parts)-1, func(i int) bool { return parts[i].to > at })
	for i := range dst {
		for which < len(parts)-1 && at+int64(i) >= parts[which].to {
			which++
		}
		dst[i] = int32(which)
	}
}

func fill(dst []int32, x int32) {
	for i := range dst {
		dst[i] = x
	}
}

// heldParts notes where the held-out text of each source lies.
type heldParts []part

// add notes what was added of a source since a position; a source that nothing was held
// out of has no part.
func (h *heldParts) add(name string, from, to int64) {
	if to > from {
		*h = append(*h, part{name, from, to})
	}
}
