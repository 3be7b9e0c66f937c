package sentencepiece

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// A symbol is what merging works on: the id of a piece, or, for a character
// without one, its negative code point minus one.

// symbolTable finds the symbol of a character: a table of pages of 256.
type symbolTable struct {
	ascii [utf8.RuneSelf]int32
	pages [(utf8.MaxRune + 1) >> 8]*[256]int32
	blank int32
}

func noPiece(r rune) int32 { return -1 - r }

func newSymbolTable(m *Model) symbolTable {
	var t symbolTable
	for id, p := range m.spec.pieces {
		r, width := utf8.DecodeRuneInString(p.Text)
		if !p.Type.merges() || width != len(p.Text) || r == utf8.RuneError && width < 2 {
			continue
		}
		page := t.pages[r>>8]
		if page == nil {
			page = new([256]int32)
			for i := range page {
				page[i] = noPiece(r&^0xff | rune(i))
			}
			t.pages[r>>8] = page
		}
		page[r&0xff] = int32(id)
	}
	t.blank = t.of(blankRune)
	for r := range rune(utf8.RuneSelf) {
		t.ascii[r] = t.of(r)
	}
	if m.spec.normalizer.EscapeBlanks {
		t.ascii[' '] = t.blank
	}
	return t
}

// of is the symbol of a character.
func (t *symbolTable) of(r rune) int32 {
	if page := t.pages[r>>8]; page != nil {
		return page[r&0xff]
	}
	return noPiece(r)
}

// appendSymbols appends the symbols of text, in which a byte that is not
// UTF-8 counts as U+FFFD.
func (t *symbolTable) appendSymbols(dst []int32, text []byte) []int32 {
	for i := 0; i < len(text); {
		if b := text[i]; b < utf8.RuneSelf {
			dst = append(dst, t.ascii[b])
			i++
			continue
		}
		r, width := utf8.DecodeRune(text[i:])
		dst = append(dst, t.of(r))
		i += width
	}
	return dst
}

// scoreRanks numbers the different scores, the highest 0.
func scoreRanks(pieces []Piece) []int32 {
	order := make([]int, len(pieces))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(pieces[b].Score, pieces[a].Score) })
	ranks := make([]int32, len(pieces))
	rank := int32(0)
	for i, at := range order {
		if i > 0 && pieces[at].Score != pieces[order[i-1]].Score {
			rank++
		}
		ranks[at] = rank
	}
	return ranks
}
