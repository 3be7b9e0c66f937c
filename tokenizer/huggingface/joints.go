package huggingface

import (
	"unicode/utf8"

	"mobilellm/tokenizer/internal/merge"
)

// newJoints are the pairs of characters over which a merge may reach, nil where it does
// not take characters alone to tell: where a character without a token vanishes, or melts
// into the unknown one beside it, its neighbours meet, and tokens of bytes may be merged.
func newJoints(m *Model, a *alphabet) *merge.Joints {
	if a.bytes != nil || m.IgnoreMerges || !a.complete() {
		return nil
	}
	names := make(map[string]bool, 256)
	for b := range 256 {
		names[byteName(b)] = true
	}
	joints := new(merge.Joints)
	for _, p := range m.Merges {
		if names[p[0]] || names[p[1]] {
			return nil
		}
		joints.Add(p[0] + p[1])
	}
	return joints
}

// atJoints cuts a word where no merge reaches over.
func atJoints(joints *merge.Joints) cutStage {
	return func(w word, yield func(word)) {
		from, previous := 0, rune(-1)
		for at := 0; at < len(w.text); {
			r, width := utf8.DecodeRune(w.text[at:])
			if at > 0 && !joints.Has(previous, r) {
				yield(w.from(from, at))
				from = at
			}
			previous = r
			at += width
		}
		yield(w.from(from, len(w.text)))
	}
}
