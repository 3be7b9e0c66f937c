package data

import "sort"

// chatRows are tokens of conversations in a corpus: rows of whole ones, each a sample.
type chatRows struct {
	from, to int64
	starts   []int64 // of the rows, relative to from; the last is to-from
}

// addChats adds what another corpus, whose tokens are about to be appended, knows of
// conversations.
func (m *TokenCorpus) addChats(c *TokenCorpus) {
	for _, r := range c.chats {
		m.chats = append(m.chats, chatRows{m.tokens + r.from, m.tokens + r.to, r.starts})
	}
	for _, r := range c.learn {
		m.learn = append(m.learn, tokenRange{from: m.tokens + r.from, to: m.tokens + r.to})
	}
}

// chatAt are the conversations at a position, nil where there is text.
func (m *TokenCorpus) chatAt(at int64) *chatRows {
	i := sort.Search(len(m.chats), func(i int) bool { return m.chats[i].to > at })
	if i == len(m.chats) || m.chats[i].from > at {
		return nil
	}
	return &m.chats[i]
}

// rows are where the rows of conversations start that begin at a position, nil where none
// do.
func (m *TokenCorpus) rows(at int64) []int64 {
	if m == nil {
		return nil
	}
	if c := m.chatAt(at); c != nil && c.from == at {
		return c.starts
	}
	return nil
}

// learnedIn calls yield with the parts of a range of a conversation that are supervised.
func (m *TokenCorpus) learnedIn(from, to int64, yield func(from, to int64)) {
	first := sort.Search(len(m.learn), func(i int) bool { return m.learn[i].to > from })
	for _, r := range m.learn[first:] {
		if r.from >= to {
			return
		}
		yield(max(r.from, from), min(r.to, to))
	}
}

// ignoreGiven sets the targets that are not supervised, of tokens from a position on, to
// [Ignored] and counts them. Whether they are of conversations, the token before them says:
// a sample of text may go over its end.
func ignoreGiven(corpus Corpus, targets []int32, at int64) (ignored int) {
	m, ok := corpus.(*TokenCorpus)
	if !ok || len(m.chats) == 0 || m.chatAt(at-1) == nil {
		return 0
	}
	done := at
	ignore := func(to int64) {
		for ; done < to; done++ {
			targets[done-at] = Ignored
			ignored++
		}
	}
	m.learnedIn(at, at+int64(len(targets)), func(from, to int64) {
		ignore(from)
		done = to
	})
	ignore(at + int64(len(targets)))
	return ignored
}

// supervisedIn counts the supervised tokens of [from, to) and the bytes of their text.
func supervisedIn(corpus Corpus, from, to int64) (tokens, bytes int64) {
	m, ok := corpus.(*TokenCorpus)
	if !ok || len(m.chats) == 0 || m.chatAt(from-1) == nil {
		return to - from, corpus.TextBytes(from, to)
	}
	m.learnedIn(from, to, func(from, to int64) {
		tokens += to - from
		bytes += m.TextBytes(from, to)
	})
	return tokens, bytes
}

// heldoutPlaces are the inputs of windows of seq: of text side by side, of conversations
// their rows.
func (m *TokenCorpus) heldoutPlaces(seq int) (places []tokenRange) {
	text := func(from, to int64) {
		for ; from < to-1; from += int64(seq) {
			places = append(places, tokenRange{from: from, to: min(from+int64(seq), to-1)})
		}
	}
	at := int64(0)
	for _, c := range m.chats {
		text(at, c.from)
		for i, start := range c.starts[:len(c.starts)-1] {
			places = append(places, tokenRange{from: c.from + start, to: c.from + c.starts[i+1] - 1})
		}
		at = c.to
	}
	text(at, m.tokens)
	return places
}
