package data

import (
	"fmt"
	"slices"
)

// oldRule is how text was held out before data.document_start ([StartOld]): runs that
// were begun by it go on by it.
type oldRule struct{}

// splitText sets whole documents aside, of few ones the smallest if it is no more than
// a third, and else the tail of the largest.
func (oldRule) splitText(docs []Document, fraction float64) (s Split, err error) {
	if len(docs) == 0 {
		return s, errNoDocuments
	}
	total := TextBytes(docs)
	target := heldoutTarget(fraction, total)
	order := rankDocuments(docs)
	aside, size := chooseDocuments(docs, order, target, 2*target)
	enough := size > 0 && 2*size >= target
	if !enough {
		enough = addSmallest(order, aside, size, total)
	}
	largest := 0
	for i, d := range docs {
		if aside[i] {
			s.Heldout = append(s.Heldout, d)
			continue
		}
		if s.Train = append(s.Train, d); len(d.Text) > len(s.Train[largest].Text) {
			largest = len(s.Train) - 1
		}
	}
	if enough {
		return s, nil
	}
	head, tail, err := splitTail(s.Train[largest], target)
	if err != nil {
		return s, err
	}
	s.Train[largest] = head
	s.Heldout = append(s.Heldout, tail)
	return s, nil
}

// addSmallest marks the smallest text that is left, if it is not too large.
func addSmallest(order []copies, aside []bool, size, total int64) bool {
	var smallest *copies
	for i, group := range order {
		if !aside[group.docs[0]] && (smallest == nil || group.size < smallest.size) {
			smallest = &order[i]
		}
	}
	if size+smallest.size > min(total/3, 2*maxHeldoutBytes) {
		return false
	}
	smallest.mark(aside)
	return true
}

// splitTokens cuts off the last documents, or of an only one the last tokens.
func (oldRule) splitTokens(set *Set, before mark, fraction float64, name string) error {
	m := set.Train
	tokens := m.tokens - before.tokens
	target := m.tokens - m.tokensAside(before, fraction)
	docs := m.docs[before.docs:]
	at, _ := slices.BinarySearch(docs, target)
	cut := target // inside the only document
	switch {
	case at < len(docs):
		cut = docs[at]
	case len(docs) > 1:
		cut = docs[len(docs)-1]
	}
	if cut <= before.tokens || cut >= m.tokens {
		return tooFewTokens(name, tokens)
	}
	set.moveTail(before, cut, cut)
	return nil
}

// without leaves out the documents that are held out too, which are known by their
// paths alone.
func (oldRule) without(train, heldout []Document) ([]Document, int) {
	names := namesOf(heldout)
	kept := slices.DeleteFunc(slices.Clone(train), func(d Document) bool { return names[place(d.Name)] })
	return kept, len(train) - len(kept)
}

// Sources were divided by themselves.
func (oldRule) separateTexts([]Split) int                  { return 0 }
func (oldRule) separateTokens(_ *Set, parts []part) []part { return parts }

var errNoDocuments = fmt.Errorf("data: no documents to hold any out of")

func tooFewTokens(name string, tokens int64) error {
	return fmt.Errorf("data: %s: %d tokens are too few to hold any out\nhint: name held-out text in data.heldout", name, tokens)
}
