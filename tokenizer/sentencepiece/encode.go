package sentencepiece

import "unicode/utf8"

// Encode returns the ids of text, without BOS or EOS around them.
func (m *Model) Encode(text []byte) []int32 {
	return m.AppendEncode(make([]int32, 0, len(text)/3+8), text)
}

// AppendEncode appends the ids of text to dst.
func (m *Model) AppendEncode(dst []int32, text []byte) []int32 {
	return m.append(dst, text, whole)
}

// AppendPart appends the ids of a part of a text that was cut where [Model.Cut]
// says: first and last are the parts that begin and end the text. The ids of
// the parts in turn are those of the text.
func (m *Model) AppendPart(dst []int32, text []byte, first, last bool) []int32 {
	return m.append(dst, text, place{first, last})
}

// AppendParsed is AppendPart for text in which the name of a control piece, such as
// `</s>`, or of the unknown one stands for it. What lies between is read as a text of
// its own, as transformers' tokenizers of LLaMA models do.
func (m *Model) AppendParsed(dst []int32, text []byte, first, last bool) []int32 {
	at := 0
	for at < len(text) {
		n := m.named.match(text[at:])
		if n == 0 {
			at++
			continue
		}
		dst = m.AppendPart(dst, text[:at], first, true)
		id, _ := m.ID(string(text[at : at+n]))
		dst = append(dst, id)
		text, at, first = text[at+n:], 0, true
	}
	return m.AppendPart(dst, text, first, last)
}

func (m *Model) append(dst []int32, text []byte, at place) []int32 {
	if len(text) == 0 {
		return dst
	}
	e := encoder{Model: m, dst: dst, start: len(dst)}
	switch {
	case m.unigram != nil:
		e.likely(m.normalizer.appendNormal(nil, text, at))
	case m.unused:
		e.resegmented(m.normalizer.appendNormal(nil, text, at))
	case m.normalizer.plain():
		e.words(text, at.first && m.normalizer.AddDummyPrefix)
	default:
		e.frozen(m.normalizer.appendNormal(make([]byte, 0, len(text)+len(text)/4+8), text, at))
	}
	return e.dst
}

// encoder is the state of one call.
type encoder struct {
	*Model
	dst     []int32
	start   int     // of this call's ids in dst
	symbols []int32 // scratch of longer words
}

// frozen encodes normal text, in which user-defined pieces stand as they are.
func (e *encoder) frozen(text []byte) {
	if e.user == nil {
		e.words(text, false)
		return
	}
	from := 0
	for at := 0; at < len(text); {
		n := e.user.match(text[at:])
		if n == 0 {
			_, width := utf8.DecodeRune(text[at:])
			at += width
			continue
		}
		e.words(text[from:at], false)
		e.emit(e.ids[string(text[at:at+n])])
		at += n
		from = at
	}
	e.words(text[from:], false)
}

// words cuts text where no piece can reach over and encodes what lies between.
// A dummy prefix is a blank before the text.
func (e *encoder) words(text []byte, prefix bool) {
	if len(text) == 0 {
		return
	}
	if prefix {
		space := " "
		if e.spec.normalizer.EscapeBlanks {
			space = blank
		}
		n := e.wordEnd(text, e.fold(' '))
		e.word(append([]byte(space), text[:n]...))
		text = text[n:]
	}
	for len(text) > 0 {
		n := e.wordEnd(text, -1)
		e.word(text[:n])
		text = text[n:]
	}
}

// wordEnd returns where the first word of text ends; previous is the character
// before it that belongs to the same word, -1 for none. The end is 0 where the
// first character cannot join previous.
func (e *encoder) wordEnd(text []byte, previous rune) int {
	escape := e.spec.normalizer.EscapeBlanks
	for i := 0; i < len(text); {
		r, width := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, width = utf8.DecodeRune(text[i:])
		} else if r == ' ' && escape {
			r = blankRune
		}
		if previous >= 0 && !e.joints.Has(previous, r) {
			return i
		}
		previous = r
		i += width
	}
	return len(text)
}

// word encodes one word.
func (e *encoder) word(word []byte) {
	if len(word) == 1 && word[0] < utf8.RuneSelf {
		if symbol := e.Model.symbols.ascii[word[0]]; symbol >= 0 {
			e.emit(symbol)
			return
		}
	}
	if ids, ok := e.cache.Get(word); ok {
		e.emitAll(ids)
		return
	}
	rest := encoder{Model: e.Model, symbols: e.symbols} // a word's ids do not depend on what stands before
	rest.merge(word)
	e.cache.Put(word, rest.dst)
	e.emitAll(rest.dst)
}

// merge encodes a word anew.
func (e *encoder) merge(word []byte) {
	e.symbols = e.Model.symbols.appendSymbols(e.symbols[:0], word)
	from := len(e.dst)
	merged := e.rules.Apply(e.dst, e.symbols)
	e.dst = merged[:from:from]
	for _, symbol := range merged[from:] {
		e.emitSymbol(symbol)
	}
}

// emitSymbol appends the ids of a symbol: a character without a piece is its
// bytes, or unknown.
func (e *encoder) emitSymbol(symbol int32) {
	if symbol >= 0 {
		e.emit(symbol)
		return
	}
	if !e.spec.byteFallback {
		e.emit(e.unk)
		return
	}
	for _, b := range []byte(string(-1 - symbol)) {
		e.dst = append(e.dst, e.bytes[b])
	}
}

// emit appends an id; unknowns that follow each other are one.
func (e *encoder) emit(id int32) {
	if id == e.unk && len(e.dst) > e.start && e.dst[len(e.dst)-1] == id {
		return
	}
	e.dst = append(e.dst, id)
}

func (e *encoder) emitAll(ids []int32) {
	if len(ids) > 0 && ids[0] == e.unk {
		e.emit(ids[0])
		ids = ids[1:]
	}
	e.dst = append(e.dst, ids...)
}
