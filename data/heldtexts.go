package data

import (
	"crypto/sha256"
	"path/filepath"
	"strings"
)

// heldTexts are texts that must not be trained on. They are known by what they say, so
// that a link, a copy or another way to write a path makes no difference, and by their
// paths, in case a file changes while it is read.
type heldTexts struct {
	names map[string]bool
	kept  map[[sha256.Size]byte]int // bytes of each text that may be trained on all the same
	sizes map[int]bool              // of the texts: others need no hash
}

func newHeldTexts(docs []Document) *heldTexts {
	h := &heldTexts{names: namesOf(docs), kept: make(map[[sha256.Size]byte]int, len(docs)), sizes: make(map[int]bool)}
	for _, d := range docs {
		h.add(d.Text, 0)
	}
	return h
}

// add holds a text out but for its beginning.
func (h *heldTexts) add(text []byte, kept int) {
	sum := sha256.Sum256(text)
	if before, ok := h.kept[sum]; ok {
		kept = min(kept, before)
	}
	h.kept[sum], h.sizes[len(text)] = kept, true
}

// from returns the documents without what is held out, and of how many that is all or
// the end.
func (h *heldTexts) from(docs []Document) (rest []Document, shared int) {
	rest = make([]Document, 0, len(docs))
	for _, d := range docs {
		kept, found := 0, h.names[place(d.Name)]
		if !found && h.sizes[len(d.Text)] {
			kept, found = h.find(d.Text)
		}
		switch {
		case !found:
			rest = append(rest, d)
			continue
		case kept > 0:
			rest = append(rest, Document{d.Name, d.Text[:kept:kept]})
		}
		shared++
	}
	return rest, shared
}

func (h *heldTexts) find(text []byte) (kept int, ok bool) {
	kept, ok = h.kept[sha256.Sum256(text)]
	return kept, ok
}

// without leaves out the documents that are held out too, by their text or path.
func (newRule) without(train, heldout []Document) ([]Document, int) {
	return newHeldTexts(heldout).from(train)
}

// namesOf are the places of documents.
func namesOf(docs []Document) map[string]bool {
	names := make(map[string]bool, len(docs))
	for _, d := range docs {
		names[place(d.Name)] = true
	}
	return names
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
