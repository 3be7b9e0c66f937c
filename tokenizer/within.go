package tokenizer

import (
	"fmt"
	"slices"

	"mobilellm/tokenizer/huggingface"
)

// Within leaves out what lies beyond a vocabulary: models may name ids that their
// tokenizer lacks, and tokenizers have ids that their model lacks.
func (s Special) Within(size int) Special {
	m := ModelTokens{BOS: s.BOS, EOS: s.EOS, PAD: s.PAD}.Within(size)
	s.BOS, s.EOS, s.PAD = m.BOS, m.EOS, m.PAD
	if int(s.Start) >= size {
		s.Start = None
	}
	return s
}

// Within leaves out what lies beyond a vocabulary.
func (m ModelTokens) Within(size int) ModelTokens {
	for _, id := range []*int32{&m.BOS, &m.PAD} {
		if int(*id) >= size {
			*id = None
		}
	}
	m.EOS = slices.DeleteFunc(slices.Clone(m.EOS), func(id int32) bool { return int(id) >= size })
	return m
}

// Beyond says which ids of a tokenizer a model of so many has no place for; it is
// empty where there are none. Such a tokenizer serves its model as long as none of
// them occurs.
func (t *Tokenizer) Beyond(size int) string {
	n := t.VocabSize()
	if n <= size {
		return ""
	}
	which := fmt.Sprintf("%d (%q) has", size, t.Decode([]int32{int32(size)}))
	if n > size+1 {
		which = fmt.Sprintf("%d to %d have", size, n-1)
	}
	return fmt.Sprintf("the tokenizer has %d ids, the model %d: %s no place in it", n, size, which)
}

// Within is the vocabulary of a model that has fewer ids: later tokens, the merges
// that make them and what else names them are left out.
func (v *Vocabulary) Within(size int) (*Vocabulary, error) {
	if len(v.Tokens) <= size {
		return v, nil
	}
	w := *v
	w.Tokens, w.Special = v.Tokens[:size], v.Special.Within(size)
	if int(v.Unknown) >= size {
		w.Unknown = None
	}
	kept := map[string]bool{}
	for _, t := range w.Tokens {
		kept[t.Text] = true
	}
	w.Merges = slices.DeleteFunc(slices.Clone(v.Merges), func(m [2]string) bool {
		return !kept[m[0]] || !kept[m[1]] || !kept[m[0]+m[1]]
	})
	if v.Description == nil {
		return &w, nil
	}
	f, err := v.described(v.Description)
	if err != nil {
		return nil, err
	}
	f.AddedTokens = slices.DeleteFunc(f.AddedTokens, func(a huggingface.AddedToken) bool { return int(a.ID) >= size })
	if u := f.Model.Unknown; u != nil && !kept[*u] {
		f.Model.Unknown = nil
	}
	w.Description, err = describe(f)
	return &w, err
}
