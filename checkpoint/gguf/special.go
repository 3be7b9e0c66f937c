package gguf

import (
	"fmt"
	"slices"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/huggingface"
)

const (
	keyBOS     = "tokenizer.ggml.bos_token_id"
	keyEOS     = "tokenizer.ggml.eos_token_id"
	keyEOT     = "tokenizer.ggml.eot_token_id"
	keyEOM     = "tokenizer.ggml.eom_token_id"
	keyPAD     = "tokenizer.ggml.padding_token_id"
	keyUnknown = "tokenizer.ggml.unknown_token_id"
	keyAddBOS  = "tokenizer.ggml.add_bos_token"
	keyAddEOS  = "tokenizer.ggml.add_eos_token"

	// What llama.cpp has no key for, so that the way back is exact: BOS where
	// another token, or none (-1), opens texts; what ends a text beyond the three that
	// have keys; the id that only stands where the format cannot say that none does.
	keyOurBOS   = "mobilellm.tokenizer.bos_token_id"
	keyOurEOS   = "mobilellm.tokenizer.more_eos_token_ids"
	keyOurNoEOS = "mobilellm.tokenizer.no_eos_token_id"
)

// endKeys hold what ends a text; llama.cpp stops at all of them.
var endKeys = []string{keyEOS, keyEOT, keyEOM}

// llama.cpp takes these where a file has no such key.
const (
	defaultBytes     = 11 // as BOS and EOS of byte-level vocabularies
	defaultPiecesBOS = 1
	defaultPiecesEOS = 2
)

// specialMetadata lists the special tokens. What opens a text goes by the name of
// BOS, which llama.cpp puts before a prompt where add_bos_token says so. A missing
// BOS or EOS cannot be said, since a default would take its place; so the end stands
// for a missing beginning, and for a missing end an id that no text comes to.
func specialMetadata(v *tokenizer.Vocabulary, size int) (list []keyValue, notes []string) {
	s := v.Special.Within(size)
	bos, ends := s.BOS, s.EOS
	if len(ends) == 0 {
		if id, ok := standIn(v, size); ok {
			ends = []int32{id}
			list = append(list, keyValue{keyOurNoEOS, uint32(id)})
			notes = append(notes, fmt.Sprintf("no token ends a text; llama.cpp must have one, and gets %d (%q), which no text comes to", id, tokenText(v, id)))
		} else if size > defaultBytes && v.Kind == tokenizer.ByteLevel {
			notes = append(notes, fmt.Sprintf("no token ends a text; llama.cpp must have one, and stops at %d (%q)", defaultBytes, tokenText(v, defaultBytes)))
		}
	}
	if s.Start != tokenizer.None {
		bos = s.Start
	}
	if bos != s.BOS || bos == tokenizer.None {
		list = append(list, keyValue{keyOurBOS, s.BOS})
	}
	if bos == tokenizer.None && len(ends) > 0 {
		bos = ends[0]
	}
	if bos != tokenizer.None {
		list = append(list, keyValue{keyBOS, uint32(bos)})
	}
	for i, id := range ends {
		if i < len(endKeys) {
			list = append(list, keyValue{endKeys[i], uint32(id)})
		}
	}
	if len(ends) == 1 { // or llama.cpp takes one by its name
		list = append(list, keyValue{keyEOT, uint32(ends[0])})
	}
	if len(ends) > len(endKeys) {
		more := ends[len(endKeys):]
		list = append(list, keyValue{keyOurEOS, more})
		notes = append(notes, fmt.Sprintf("llama.cpp has keys for %d tokens that end a text; it goes on after %d unless it knows them by name", len(endKeys), more))
	}
	if s.PAD != tokenizer.None {
		list = append(list, keyValue{keyPAD, uint32(s.PAD)})
	}
	if v.Unknown != tokenizer.None {
		list = append(list, keyValue{keyUnknown, uint32(v.Unknown)})
	}
	return append(list, keyValue{keyAddBOS, s.Start != tokenizer.None}, keyValue{keyAddEOS, false}), notes
}

// standIn is an id that no text comes to: the padding token, a row that only fills up
// the model's vocabulary, or a byte that UTF-8 does not have.
func standIn(v *tokenizer.Vocabulary, size int) (int32, bool) {
	if pad := v.Special.PAD; pad != tokenizer.None && v.Tokens[pad].Type == tokenizer.Control {
		return pad, true
	}
	if len(v.Tokens) < size {
		return int32(size - 1), true
	}
	for id, t := range v.Tokens {
		if t.Type == tokenizer.Unused {
			return int32(id), true
		}
	}
	for _, b := range []byte{0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0xf7, 0xf6, 0xf5, 0xc1, 0xc0} {
		text, typ := huggingface.Printable([]byte{b}), tokenizer.Normal
		if v.Kind == tokenizer.SentencePiece {
			text, typ = fmt.Sprintf("<0x%02X>", b), tokenizer.Byte
		}
		if id := slices.IndexFunc(v.Tokens, func(t tokenizer.Token) bool { return t.Text == text && t.Type == typ }); id >= 0 {
			return int32(id), true
		}
	}
	return tokenizer.None, false
}

func tokenText(v *tokenizer.Vocabulary, id int32) string {
	if int(id) >= len(v.Tokens) {
		return fmt.Sprintf("[PAD%d]", id)
	}
	return v.Tokens[id].Text
}

// special reads the special tokens. BOS is put before a text where add_bos_token says
// so, or else where llama.cpp does it for the kind of tokenizer.
func (f *File) special(size int) tokenizer.Special {
	bos, eos := f.defaultSpecial(size)
	s := tokenizer.Special{BOS: f.tokenIDOr(keyBOS, size, bos), PAD: f.tokenID(keyPAD, size), Start: tokenizer.None}
	if f.addsBOS() {
		s.Start = s.BOS
	}
	if id, ok := f.Metadata[keyOurBOS].(int64); ok && id < int64(size) {
		s.BOS = max(int32(id), tokenizer.None)
	}
	none := f.tokenID(keyOurNoEOS, size)
	for _, id := range append([]int32{f.tokenIDOr(keyEOS, size, eos), f.tokenID(keyEOT, size), f.tokenID(keyEOM, size)}, f.moreEOS(size)...) {
		if id != tokenizer.None && id != none && !s.Ends(id) {
			s.EOS = append(s.EOS, id)
		}
	}
	return s
}

func (f *File) moreEOS(size int) (ids []int32) {
	list, _ := f.Metadata[keyOurEOS].([]int64)
	for _, id := range list {
		if id >= 0 && id < int64(size) {
			ids = append(ids, int32(id))
		}
	}
	return ids
}

// defaultSpecial are BOS and EOS of a file without such keys: those of SentencePiece,
// if they are control tokens. llama.cpp takes token 11 of a byte-level vocabulary, of
// which nobody can have meant that.
func (f *File) defaultSpecial(size int) (bos, eos int32) {
	model, _ := f.Metadata[keyModel].(string)
	types, _ := f.Metadata[keyTypes].([]int64)
	control := func(id int32) int32 {
		if model == modelPieces && int(id) < min(size, len(types)) && types[id] == int64(tokenizer.Control) {
			return id
		}
		return tokenizer.None
	}
	return control(defaultPiecesBOS), control(defaultPiecesEOS)
}

// addsBOS says whether llama.cpp puts BOS before a text.
func (f *File) addsBOS() bool {
	if add, given := f.Metadata[keyAddBOS].(bool); given {
		return add
	}
	if model, _ := f.Metadata[keyModel].(string); model == modelPieces {
		return true
	}
	name, _ := f.Metadata[keyPre].(string)
	p := preNamed(name)
	return p != nil && p.flags&addsBOS != 0
}

func (f *File) tokenID(key string, size int) int32 { return f.tokenIDOr(key, size, tokenizer.None) }

// tokenIDOr is an id of the file; otherwise stands for a missing one and for one
// beyond the vocabulary, as in llama.cpp.
func (f *File) tokenIDOr(key string, size int, otherwise int32) int32 {
	n, ok := number(f.Metadata[key])
	if !ok || n < 0 || n >= float64(size) {
		return otherwise
	}
	return int32(n)
}
