package tokenizer

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"mobilellm/tokenizer/huggingface"
	"mobilellm/tokenizer/sentencepiece"
)

// blank stands for U+0020 in SentencePiece's pieces.
const blank = "\u2581"

// setTokens lists the vocabulary with what was added to it by id. Ids between that no
// token has are filled up.
func (v *Vocabulary) setTokens(f *huggingface.File) error {
	size := 0
	for _, id := range f.Model.Vocab {
		size = max(size, int(id)+1)
	}
	for _, a := range f.AddedTokens {
		size = max(size, int(a.ID)+1)
	}
	v.Tokens = make([]Token, size)
	for text, id := range f.Model.Vocab {
		if id < 0 || v.Tokens[id].Text != "" {
			return fmt.Errorf("tokens %q and %q both have id %d", v.text(id), text, id)
		}
		v.Tokens[id] = Token{Text: text, Type: Normal}
	}
	for _, a := range f.AddedTokens {
		if a.ID < 0 || v.Tokens[a.ID].Text != "" && v.Tokens[a.ID].Text != a.Content {
			return fmt.Errorf("added token %q has the id %d of %q", a.Content, a.ID, v.text(a.ID))
		}
		v.Tokens[a.ID] = Token{Text: a.Content, Type: UserDefined}
		if a.Special {
			v.Tokens[a.ID].Type = Control
		}
	}
	for id := range v.Tokens {
		if v.Tokens[id].Text == "" {
			v.Tokens[id] = Token{Text: padding(id), Type: Unused}
		}
	}
	return nil
}

func (v *Vocabulary) setByteLevel(f *huggingface.File) error {
	v.Kind = ByteLevel
	for _, m := range f.Model.Merges {
		v.Merges = append(v.Merges, m)
	}
	v.IgnoreMerges = f.Model.IgnoreMerges
	var err error
	if v.NFC, err = f.OnlyNFC(); err != nil {
		return err
	}
	v.Patterns, v.AddPrefix, err = f.Words()
	return err
}

// setPieces gives back scores: the earlier a token is merged, the higher.
func (v *Vocabulary) setPieces(f *huggingface.File) error {
	v.Kind = SentencePiece
	scores := map[string]float32{}
	for rank, m := range f.Model.Merges {
		if _, known := scores[m[0]+m[1]]; !known {
			scores[m[0]+m[1]] = -float32(rank)
		}
	}
	bytes := 0
	for id := range v.Tokens {
		t := &v.Tokens[id]
		switch _, isByte := sentencepiece.ByteOf(t.Text); {
		case f.Model.Unknown != nil && t.Text == *f.Model.Unknown:
			t.Type, v.Unknown = Unknown, int32(id)
		case isByte && t.Type == Normal:
			t.Type = Byte
			bytes++
		case t.Type == Normal:
			score, merged := scores[t.Text]
			if !merged {
				score = -float32(len(f.Model.Merges))
			}
			t.Score = score
		}
	}
	if bytes < 256 {
		return fmt.Errorf("%w: a vocabulary has no place for byte_fallback with %d of 256 bytes", ErrKind, bytes)
	}
	var err error
	v.AddPrefix, v.NFC, err = f.PiecesPrefix()
	return err
}

// file describes the vocabulary as a tokenizer.json. Normalizers with rules of their
// own, and unigram models, are not written to one: then it is nil, and tools read
// tokenizer.model.
func (v *Vocabulary) file() *huggingface.File {
	if v.Kind == SentencePiece && (v.unigram || len(v.CharsMap) > 0 || v.RemoveExtraBlanks || v.OddBlanks) {
		return nil
	}
	vocab := huggingface.Vocab{}
	var added []huggingface.AddedToken
	byteFallback := false
	for id, t := range v.Tokens {
		byteFallback = byteFallback || t.Type == Byte
		switch t.Type {
		case Control, Unknown, UserDefined:
			added = append(added, huggingface.AddedToken{ID: int32(id), Content: t.Text, Special: t.Type != UserDefined})
		}
		if t.Type != Unused || v.Kind == SentencePiece {
			vocab[t.Text] = int32(id)
		}
	}
	var f *huggingface.File
	if v.Kind == ByteLevel {
		merges := make([]huggingface.Merge, len(v.Merges))
		for i, m := range v.Merges {
			merges[i] = m
		}
		f = huggingface.ByteLevel(vocab, merges, v.Patterns, added)
		f.Model.IgnoreMerges = v.IgnoreMerges
		if v.NFC {
			f.Normalizer = &huggingface.Stage{Type: "NFC"}
		}
		if v.AddPrefix {
			f.SetAddPrefixSpace()
		}
	} else {
		unknown := ""
		if v.Unknown != None {
			unknown = v.text(v.Unknown)
		}
		f = huggingface.Pieces(vocab, v.merges(), added, huggingface.PiecesOptions{AddPrefix: v.AddPrefix, Unknown: unknown, ByteFallback: byteFallback})
	}
	if s := v.Special.Start; s != None {
		f.PostProcessor = huggingface.StartsWith(v.text(s), s)
	}
	return f
}

// merges lists the pairs by which SentencePiece's merging goes in the order that
// Hugging Face's needs: by the score of what they make. Pairs of one piece come
// with the longer left part first.
func (v *Vocabulary) merges() []huggingface.Merge {
	known := make(map[string]bool, len(v.Tokens))
	for _, t := range v.Tokens {
		known[t.Text] = t.Type == Normal || t.Type == UserDefined
	}
	type merge struct {
		pair  huggingface.Merge
		score float32
		id    int
	}
	var list []merge
	for id, t := range v.Tokens {
		if t.Type != Normal {
			continue
		}
		for cut := range t.Text {
			if left, right := t.Text[:cut], t.Text[cut:]; cut > 0 && known[left] && known[right] {
				list = append(list, merge{huggingface.Merge{left, right}, t.Score, id})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b merge) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id),
			cmp.Compare(utf8.RuneCountInString(b.pair[0]), utf8.RuneCountInString(a.pair[0])))
	})
	pairs := make([]huggingface.Merge, len(list))
	for i, m := range list {
		pairs[i] = m.pair
	}
	return pairs
}
