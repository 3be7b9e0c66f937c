package sentencepiece

// Cut returns the first place at or after from where text may be cut in two
// parts whose ids, by [Model.AppendPart], are those of the whole: a blank
// between two ASCII letters where no piece and no rule reaches over. It is
// len(text) where there is none.
func (m *Model) Cut(text []byte, from int) int {
	if !m.cuttable() {
		return len(text)
	}
	for i := max(from, 1); i+1 < len(text); i++ {
		if text[i] == ' ' && isLetter(text[i-1]) && isLetter(text[i+1]) && !m.joints.Has(rune(text[i-1]), m.fold(' ')) {
			return i
		}
	}
	return len(text)
}

// cuttable says whether texts can be cut at all. A blank must have a piece of
// its own, or unknowns might melt together over the cut.
func (m *Model) cuttable() bool {
	m.cutOnce.Do(func() {
		m.cutAllowed = m.unigram == nil && !m.unused && m.user == nil && !m.normalizer.blankSuffix &&
			m.symbols.of(m.fold(' ')) >= 0 &&
			(m.normalizer.rules == nil || !m.normalizer.rules.BindsBlank())
	})
	return m.cutAllowed
}

func isLetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
