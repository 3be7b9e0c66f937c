package tokenizer

import (
	"fmt"
	"hash"

	"mobilellm/tokenizer/huggingface"
	"mobilellm/tokenizer/internal/words"
)

// WordPattern is the regular expression that cuts text into words before a BPE that
// this program learns; tokenizer.json states it.
const WordPattern = words.Llama3

// Learned makes a tokenizer of a byte-level BPE: of tokens in the byte-level
// alphabet and of merges. [EndOfText] is one of the tokens.
func Learned(vocab huggingface.Vocab, merges []huggingface.Merge) (*Tokenizer, error) {
	end, ok := vocab[EndOfText]
	if !ok {
		return nil, fmt.Errorf("tokenizer: no token %s", EndOfText)
	}
	f := huggingface.ByteLevel(vocab, merges, []string{WordPattern}, []huggingface.AddedToken{{ID: end, Content: EndOfText, Special: true}})
	c, err := huggingface.New(f)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	files, err := ownFiles(f)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return &Tokenizer{jsonCoder{c}, ownSpecial(end), files, learnedPrint(f)}, nil
}

// ownSpecial is of a tokenizer whose one special token opens and ends texts.
func ownSpecial(end int32) Special {
	return Special{BOS: end, EOS: []int32{end}, PAD: None, Start: end}
}

// ownFiles writes the three files that Hugging Face's tools look for.
func ownFiles(f *huggingface.File) (Files, error) {
	opened := *f
	opened.PostProcessor = huggingface.StartsWith(EndOfText, f.Model.Vocab[EndOfText])
	raw, err := opened.Marshal()
	if err != nil {
		return nil, err
	}
	files := Files{JSONFile: raw}
	for name, value := range map[string]any{
		ConfigFile: map[string]any{
			"tokenizer_class": fastClass, "bos_token": EndOfText, "eos_token": EndOfText,
			"add_prefix_space": false, "clean_up_tokenization_spaces": false,
		},
		specialMapFile: map[string]any{"bos_token": EndOfText, "eos_token": EndOfText},
	} {
		if files[name], err = indented(value); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// ownForm says whether a tokenizer.json has the form that this program writes, with
// [EndOfText] as the one special token, of which it gives the id. Files of before
// documents had a token to open them have no post-processor.
func ownForm(f *huggingface.File) (end int32, ok bool) {
	end, known := f.Model.Vocab[EndOfText]
	m := f.Model
	switch {
	case !known, f.Normalizer != nil, f.PostProcessor != nil && f.Start() != end,
		f.Decoder == nil || f.Decoder.Type != "ByteLevel",
		m.Type != huggingface.BPE, m.Dropout != nil, m.Prefix != nil && *m.Prefix != "", m.Suffix != nil && *m.Suffix != "",
		m.IgnoreMerges, m.ByteFallback, len(f.AddedTokens) == 0:
		return None, false
	}
	for _, a := range f.AddedTokens {
		if a != (huggingface.AddedToken{ID: end, Content: EndOfText, Special: a.Special}) {
			return None, false
		}
	}
	bytes := 0
	seen := make([]bool, len(m.Vocab))
	for text, id := range m.Vocab {
		if id < 0 || int(id) >= len(seen) || seen[id] {
			return None, false
		}
		seen[id] = true
		token, err := huggingface.Unprintable(text)
		if err != nil && id != end {
			return None, false
		}
		if err == nil && len(token) == 1 {
			bytes++
		}
	}
	return end, bytes == 256
}

// isLearned says whether a file of our form was learnt by this program, isBytes
// whether it is the byte tokenizer's.
func isLearned(f *huggingface.File) bool {
	p := f.PreTokenizer
	if p == nil || p.Type != "Sequence" || len(p.Pretokenizers) != 2 {
		return false
	}
	split := p.Pretokenizers[0]
	return split.Type == "Split" && split.Pattern != nil && split.Pattern.Regex != nil && *split.Pattern.Regex == WordPattern &&
		split.Behavior == "Isolated" && (split.Invert == nil || !*split.Invert) && bareByteLevel(&p.Pretokenizers[1])
}

func isBytes(f *huggingface.File) bool {
	want := byteCoder{}.file().Model.Vocab
	if !bareByteLevel(f.PreTokenizer) || len(f.Model.Vocab) != len(want) || len(f.Model.Merges) > 0 {
		return false
	}
	for text, id := range want {
		if got, ok := f.Model.Vocab[text]; !ok || got != id {
			return false
		}
	}
	return true
}

// bareByteLevel is the stage that cuts nothing and adds nothing: both options are on
// where the file does not turn them off.
func bareByteLevel(s *huggingface.Stage) bool {
	off := func(option *bool) bool { return option != nil && !*option }
	return s != nil && s.Type == "ByteLevel" && off(s.AddPrefixSpace) && off(s.UseRegex)
}

// learnedPrint hashes the pattern of words, the tokens and the merges.
func learnedPrint(f *huggingface.File) func() string {
	vocab := f.Model.Vocab
	return fingerprint(func(h hash.Hash) {
		tokens := make([]string, len(vocab))
		for text, id := range vocab {
			token, err := huggingface.Unprintable(text)
			if text == EndOfText || err != nil {
				token = []byte(text)
			}
			tokens[id] = string(token)
		}
		fmt.Fprintf(h, "byte-level bpe\x00%s\x00%s\x00%d\n", WordPattern, EndOfText, vocab[EndOfText])
		for _, token := range tokens {
			fmt.Fprintf(h, "%x\n", token)
		}
		for _, m := range f.Model.Merges {
			fmt.Fprintf(h, "%d %d\n", vocab[m[0]], vocab[m[1]])
		}
	})
}
