package data

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// maxHeldoutBytes bounds the text set aside: more would only slow evaluation.
const maxHeldoutBytes = 16 << 20

// heldoutTarget is how many bytes of a text to set aside.
func heldoutTarget(fraction float64, total int64) int64 {
	return min(int64(fraction*float64(total)), maxHeldoutBytes)
}

// near is how much may be set aside where so much is wanted: whole documents are
// better than a part of one, and what is set aside is not trained on.
func near(target int64) int64 { return target + target/2 }

// enough says whether so much aside is near what is wanted.
func enough(size, target int64) bool { return size > 0 && 2*size >= target }

// heldoutRule divides text that is to be trained on from text that is held out:
// [newRule], or [oldRule] for runs that began by it.
type heldoutRule interface {
	// splitText sets about a fraction of the documents' bytes aside.
	splitText(docs []Document, fraction float64) (Split, error)
	// splitTokens moves about a fraction of the tokens that were added to the
	// training side since before to the held-out side.
	splitTokens(set *Set, before mark, fraction float64, name string) error
	// without leaves out of train the documents of held-out text that is named, and
	// says how many they are.
	without(train, heldout []Document) (rest []Document, shared int)
	// separateTexts and separateTokens leave out of training what was set aside of
	// any source, before and after it is encoded.
	separateTexts(splits []Split) (shared int)
	separateTokens(set *Set, parts []part) []part
}

// rule is the configuration's.
func (c Config) rule() heldoutRule {
	if c.old() {
		return oldRule{}
	}
	return newRule{}
}

// newRule sets whole documents aside while they come near the fraction, and of a
// document that is too large its tail.
type newRule struct{}

// Split is text on two sides.
type Split struct {
	Train, Heldout []Document
	// Cut is the document of which the tail alone is held out, as it was; nil for
	// none. Its first Kept bytes are trained on.
	Cut  *Document
	Kept int
}

// tails is how many held-out documents are ends of others, which stand on both sides.
func (s Split) tails() int {
	if s.Cut == nil {
		return 0
	}
	return 1
}

// SplitHeldout sets aside about the given fraction (0 to 1) of the text's bytes, at
// most 16 MB: whole documents while their sum is near it, and where there are none
// that are small enough, the tail of the largest, cut at a line break.
//
// A document's side is decided by a hash of its text. So the split does not
// depend on order or place, and two copies of one document never end up on
// two sides: of copies that are cut, all heads are trained on and one tail is held
// out.
func SplitHeldout(docs []Document, fraction float64) (Split, error) {
	return newRule{}.splitText(docs, fraction)
}

func (newRule) splitText(docs []Document, fraction float64) (s Split, err error) {
	if len(docs) == 0 {
		return s, errNoDocuments
	}
	target := heldoutTarget(fraction, TextBytes(docs))
	order := rankDocuments(docs)
	aside, size := chooseDocuments(docs, order, target, near(target))
	cut := make([]bool, len(docs))
	var head, tail Document
	if !enough(size, target) {
		largest := largestText(docs, order, aside)
		if head, tail, err = splitTail(docs[largest.docs[0]], target-size); err != nil {
			return s, err
		}
		s.Cut, s.Kept = &docs[largest.docs[0]], len(head.Text)
		largest.mark(cut)
	}
	for i, d := range docs {
		switch {
		case aside[i]:
			s.Heldout = append(s.Heldout, d)
		case cut[i]:
			s.Train = append(s.Train, Document{d.Name, d.Text[:s.Kept:s.Kept]})
		default:
			s.Train = append(s.Train, d)
		}
	}
	if s.Cut != nil {
		s.Heldout = append(s.Heldout, tail)
	}
	return s, nil
}

// note says what is held out, of so much text in all.
func (s Split) note(total int64) string {
	size := TextBytes(s.Heldout)
	text := fmt.Sprintf("data: held out %.1f %% of the text, %s: ", 100*float64(size)/float64(total), byteCount(size))
	whole := len(s.Heldout)
	if s.Cut == nil {
		return text + fmt.Sprintf("%d documents", whole)
	}
	if whole > 1 {
		text += fmt.Sprintf("%d documents and ", whole-1)
	}
	tail := len(s.Heldout[whole-1].Text)
	return text + fmt.Sprintf("the last %s of %s (%s)", byteCount(int64(tail)), s.Cut.Name, byteCount(int64(len(s.Cut.Text))))
}

// byteCount prints a number of bytes in a few digits.
func byteCount(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}

// chooseDocuments marks whole documents to set aside, up to most bytes, until there
// are as many as wanted. It leaves at least one text.
func chooseDocuments(docs []Document, order []copies, target, most int64) (aside []bool, size int64) {
	aside = make([]bool, len(docs))
	total := TextBytes(docs)
	for _, group := range order {
		if size >= target {
			break
		}
		if size+group.size <= most && size+group.size < total {
			group.mark(aside)
			size += group.size
		}
	}
	return aside, size
}

// largestText is the longest text that is not set aside, of equal ones that of the
// lowest hash.
func largestText(docs []Document, order []copies, aside []bool) copies {
	var largest copies
	for _, group := range order {
		if aside[group.docs[0]] {
			continue
		}
		if largest.docs == nil || len(docs[group.docs[0]].Text) > len(docs[largest.docs[0]].Text) {
			largest = group
		}
	}
	return largest
}

// copies are the documents of one text, most often a single one.
type copies struct {
	key  uint64 // hash of the text
	size int64
	docs []int
}

func (c copies) mark(aside []bool) {
	for _, i := range c.docs {
		aside[i] = true
	}
}

// rankDocuments orders the texts by their hashes, which is a shuffle that
// anyone can repeat.
func rankDocuments(docs []Document) []copies {
	groups := make(map[uint64]*copies, len(docs))
	for i, d := range docs {
		sum := sha256.Sum256(d.Text)
		key := binary.BigEndian.Uint64(sum[:])
		if groups[key] == nil {
			groups[key] = &copies{key: key}
		}
		groups[key].size += int64(len(d.Text))
		groups[key].docs = append(groups[key].docs, i)
	}
	order := make([]copies, 0, len(groups))
	for _, group := range groups {
		order = append(order, *group)
	}
	slices.SortFunc(order, func(a, b copies) int { return cmp.Compare(a.key, b.key) })
	return order
}

// splitTail cuts a document at the last line break before its last target
// bytes, or where there is none near at a character that starts there.
func splitTail(d Document, target int64) (head, tail Document, err error) {
	at := len(d.Text) - int(max(target, 1))
	if at < 1 {
		return head, tail, fmt.Errorf("data: %s: %d bytes are too few to hold any out", d.Name, len(d.Text))
	}
	if line := bytes.LastIndexByte(d.Text[:at], '\n') + 1; line > len(d.Text)/2 {
		at = line
	}
	for at < len(d.Text)-1 && d.Text[at]&0xc0 == 0x80 {
		at++
	}
	return Document{d.Name, d.Text[:at:at]}, Document{d.Name + " (tail)", d.Text[at:]}, nil
}
