package huggingface

import (
	"fmt"
	"regexp"

	"mobilellm/tokenizer/internal/words"
)

// blankPiece is how SentencePiece's vocabularies write a blank.
const blankPiece = "▁"

// PiecesOptions say what [Pieces] describes besides vocabulary and merges.
type PiecesOptions struct {
	AddPrefix    bool   // a blank before the text
	Unknown      string // empty for none
	ByteFallback bool   // what has no token becomes its bytes'
}

// Pieces describes a BPE of SentencePiece's pieces.
func Pieces(vocab Vocab, merges []Merge, added []AddedToken, o PiecesOptions) *File {
	replace := func(from, to string) Stage {
		return Stage{Type: "Replace", Pattern: &Pattern{String: new(from)}, Content: new(to)}
	}
	normalizers := []Stage{replace(" ", blankPiece)}
	strip := Stage{Type: "Strip", Content: new(" "), Start: new(0), Stop: new(0)}
	if o.AddPrefix {
		normalizers = append([]Stage{{Type: "Prepend", Prepend: blankPiece}}, normalizers...)
		strip.Start = new(1)
	}
	f := &File{
		Version: "1.0", AddedTokens: added,
		Normalizer: &Stage{Type: "Sequence", Normalizers: normalizers},
		Decoder:    &Stage{Type: "Sequence", Decoders: []Stage{replace(blankPiece, " "), {Type: "ByteFallback"}, {Type: "Fuse"}, strip}},
		Model:      Model{Type: BPE, FuseUnknown: true, ByteFallback: o.ByteFallback, Vocab: vocab, Merges: merges},
	}
	if o.Unknown != "" {
		f.Model.Unknown = &o.Unknown
	}
	return f
}

// PiecesPrefix says whether a tokenizer of SentencePiece's pieces puts a blank before
// a text, and whether it normalises text to form C.
func (f *File) PiecesPrefix() (prefix, nfc bool, err error) {
	for _, n := range sequence(f.Normalizer, normalizersOf) {
		switch {
		case n.Type == "Prepend" && n.Prepend == blankPiece:
			prefix = true
		case n.blankToPiece():
		case n.Type == "NFC":
			nfc = true
		default:
			return false, false, fmt.Errorf("normalizer %s has no place in a vocabulary of pieces", n.Type)
		}
	}
	if p := f.PreTokenizer; p != nil {
		if p.Type != "Metaspace" || p.Replacement != blankPiece {
			return false, false, fmt.Errorf("pre_tokenizer %s has no place in a vocabulary of pieces", p.Type)
		}
		scheme, err := p.prependScheme()
		if err != nil {
			return false, false, err
		}
		prefix = prefix || scheme != "never"
	}
	return prefix, nfc, nil
}

// Words are the regular expressions by which a byte-level tokenizer cuts words, one
// after the other, and whether it puts a blank before a text.
func (f *File) Words() (patterns []string, addPrefix bool, err error) {
	all := sequence(f.PreTokenizer, pretokenizersOf)
	for i, p := range all {
		switch {
		case p.Type == "ByteLevel" != (i == len(all)-1):
			return nil, false, fmt.Errorf("a byte-level vocabulary has ByteLevel as its last pre_tokenizer, not %s", all[len(all)-1].Type)
		case p.Type == "Split" && p.Pattern != nil && p.Pattern.Regex != nil && p.Behavior == "Isolated" && !isTrue(p.Invert):
			patterns = append(patterns, *p.Pattern.Regex)
		case p.Type == "Split" && p.Pattern != nil && p.Pattern.String != nil && p.Behavior == "Isolated" && !isTrue(p.Invert):
			patterns = append(patterns, regexp.QuoteMeta(*p.Pattern.String))
		case p.Type == "Digits" && p.IndividualDigits:
			patterns = append(patterns, `\p{N}`)
		case p.Type == "Digits":
			patterns = append(patterns, `\p{N}+`)
		case p.Type == "ByteLevel":
			addPrefix = unlessFalse(p.AddPrefixSpace)
			if unlessFalse(p.UseRegex) {
				patterns = append(patterns, words.GPT2)
			}
		default:
			return nil, false, fmt.Errorf("pre_tokenizer %s has no place in a byte-level vocabulary", p.Type)
		}
	}
	if len(all) == 0 {
		return nil, false, fmt.Errorf("a byte-level vocabulary has ByteLevel as its last pre_tokenizer, not none")
	}
	return patterns, addPrefix, nil
}

// OnlyNFC says whether text is normalised to form C; another normalizer is an error.
func (f *File) OnlyNFC() (bool, error) {
	all := sequence(f.Normalizer, normalizersOf)
	for _, n := range all {
		if n.Type != "NFC" {
			return false, fmt.Errorf("normalizer %s has no place in a byte-level vocabulary", n.Type)
		}
	}
	return len(all) > 0, nil
}

// SetAddPrefixSpace puts a blank before each text of a byte-level tokenizer.
func (f *File) SetAddPrefixSpace() {
	p := f.PreTokenizer
	if p.Type == "Sequence" {
		p = &p.Pretokenizers[len(p.Pretokenizers)-1]
	}
	p.AddPrefixSpace = new(true)
}

func normalizersOf(s *Stage) []Stage   { return s.Normalizers }
func pretokenizersOf(s *Stage) []Stage { return s.Pretokenizers }
func processorsOf(s *Stage) []Stage    { return s.Processors }
