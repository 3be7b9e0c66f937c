package data

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// maxHeldoutBytes bounds the text set aside: more would only slow evaluation.
const maxHeldoutBytes = 16 << 20

// SplitHeldout sets aside about the given fraction (0 to 1) of the text's
// bytes, at most 16 MB, as whole documents. Where documents are so few or so
// uneven that this would miss the mark by far, and for a lone document, it
// sets aside the tail of the largest, cut at a line break.
//
// A document's side is decided by a hash of its text. So the split does not
// depend on order or place, and two copies of one document never end up on
// two sides.
func SplitHeldout(docs []Document, fraction float64) (train, heldout []Document, err error) {
	if len(docs) == 0 {
		return nil, nil, fmt.Errorf("data: no documents to hold any out of")
	}
	total := TextBytes(docs)
	target := min(int64(fraction*float64(total)), maxHeldoutBytes)
	aside, enough := chooseHeldout(docs, total, target)
	largest := 0
	for i, d := range docs {
		if aside[i] {
			heldout = append(heldout, d)
			continue
		}
		if train = append(train, d); len(d.Text) > len(train[largest].Text) {
			largest = len(train) - 1
		}
	}
	if enough {
		return train, heldout, nil
	}
	head, tail, err := splitTail(train[largest], target)
	if err != nil {
		return nil, nil, err
	}
	train[largest] = head
	return train, append(heldout, tail), nil
}

// chooseHeldout marks whole documents to set aside and says whether they are
// enough, half the target or more. It leaves at least one text.
func chooseHeldout(docs []Document, total, target int64) (aside []bool, enough bool) {
	order := rankDocuments(docs)
	aside = make([]bool, len(docs))
	var size int64
	for _, group := range order {
		if size >= target {
			break
		}
		if size+group.size <= 2*target && size+group.size < total {
			group.mark(aside)
			size += group.size
		}
	}
	if size > 0 && 2*size >= target {
		return aside, true
	}
	var smallest *copies
	for i, group := range order {
		if !aside[group.docs[0]] && (smallest == nil || group.size < smallest.size) {
			smallest = &order[i]
		}
	}
	if size+smallest.size > min(total/3, 2*maxHeldoutBytes) {
		return aside, false
	}
	smallest.mark(aside)
	return aside, true
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

// WithoutHeldout removes from train the documents that are also held out,
// which happens when data.heldout names a part of data.train, and returns
// how many they were. A document is known by its path.
func WithoutHeldout(train, heldout []Document) ([]Document, int) {
	names := make(map[string]bool, len(heldout))
	for _, d := range heldout {
		names[place(d.Name)] = true
	}
	kept := make([]Document, 0, len(train))
	for _, d := range train {
		if !names[place(d.Name)] {
			kept = append(kept, d)
		}
	}
	return kept, len(train) - len(kept)
}

// place is a document's name as an absolute path, where it is a path.
func place(name string) string {
	if strings.HasPrefix(name, GoSourceName+"/") {
		return name
	}
	if full, err := filepath.Abs(name); err == nil {
		return full
	}
	return name
}
