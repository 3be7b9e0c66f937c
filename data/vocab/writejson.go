package vocab

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// marshalJSON returns tokenizer.json. Normalisers with rules of their own have
// no place in it: then there is none, and tools read tokenizer.model.
func (v *Vocabulary) marshalJSON() ([]byte, error) {
	if v.Kind == SentencePiece && (len(v.CharsMap) > 0 || v.RemoveExtraBlanks) {
		return nil, nil
	}
	var added []object
	var tokens object
	byteFallback := false
	for id, t := range v.Tokens {
		tokens = append(tokens, field{t.Text, id})
		byteFallback = byteFallback || t.Type == Byte
		if t.Type == Control || t.Type == Unknown || t.Type == UserDefined {
			added = append(added, object{
				{"id", id},
				{"content", t.Text},
				{"single_word", false},
				{"lstrip", false},
				{"rstrip", false},
				{"normalized", false},
				{"special", t.Type != UserDefined},
			})
		}
	}
	if v.Kind == ByteLevel {
		return indented(v.byteLevelJSON(tokens, added))
	}
	normalizers := []object{{{"type", "Replace"}, {"pattern", object{{"String", " "}}}, {"content", blank}}}
	strip := object{{"type", "Strip"}, {"content", " "}, {"start", 0}, {"stop", 0}}
	if v.AddPrefix {
		normalizers = slices.Insert(normalizers, 0, object{{"type", "Prepend"}, {"prepend", blank}})
		strip[2].value = 1
	}
	var unknown any
	if v.Unknown >= 0 {
		unknown = v.text(v.Unknown)
	}
	return indented(object{
		{"version", "1.0"},
		{"truncation", nil},
		{"padding", nil},
		{"added_tokens", added},
		{"normalizer", object{{"type", "Sequence"}, {"normalizers", normalizers}}},
		{"pre_tokenizer", nil},
		{"post_processor", v.postProcessor()},
		{"decoder", object{{"type", "Sequence"}, {"decoders", []object{
			{{"type", "Replace"}, {"pattern", object{{"String", blank}}}, {"content", " "}},
			{{"type", "ByteFallback"}},
			{{"type", "Fuse"}},
			strip,
		}}}},
		{"model", object{
			{"type", "BPE"},
			{"dropout", nil},
			{"unk_token", unknown},
			{"continuing_subword_prefix", nil},
			{"end_of_word_suffix", nil},
			{"fuse_unk", true},
			{"byte_fallback", byteFallback},
			{"ignore_merges", false},
			{"vocab", tokens},
			{"merges", v.merges()},
		}},
	})
}

func (v *Vocabulary) byteLevelJSON(tokens object, added []object) object {
	stage := func(regex bool) object {
		return object{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", regex}}
	}
	pre := stage(v.Pattern == GPT2Pattern)
	if v.Pattern != "" && v.Pattern != GPT2Pattern {
		pre = object{{"type", "Sequence"}, {"pretokenizers", []object{
			{{"type", "Split"}, {"pattern", object{{"Regex", v.Pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
			stage(false),
		}}}
	}
	merges := v.Merges
	if merges == nil {
		merges = [][2]string{}
	}
	return object{
		{"version", "1.0"},
		{"truncation", nil},
		{"padding", nil},
		{"added_tokens", added},
		{"normalizer", nil},
		{"pre_tokenizer", pre},
		{"post_processor", nil},
		{"decoder", stage(false)},
		{"model", object{
			{"type", "BPE"},
			{"dropout", nil},
			{"unk_token", nil},
			{"continuing_subword_prefix", nil},
			{"end_of_word_suffix", nil},
			{"fuse_unk", false},
			{"byte_fallback", false},
			{"ignore_merges", false},
			{"vocab", tokens},
			{"merges", merges},
		}},
	}
}

// postProcessor sets the token that begins a text before it, as LLaMA's
// tokenizer does.
func (v *Vocabulary) postProcessor() any {
	if v.BOS < 0 {
		return nil
	}
	bos := v.text(v.BOS)
	special := object{{"SpecialToken", object{{"id", bos}, {"type_id", 0}}}}
	sequence := func(id string, t int) object {
		return object{{"Sequence", object{{"id", id}, {"type_id", t}}}}
	}
	second := object{{"SpecialToken", object{{"id", bos}, {"type_id", 1}}}}
	return object{
		{"type", "TemplateProcessing"},
		{"single", []object{special, sequence("A", 0)}},
		{"pair", []object{special, sequence("A", 0), second, sequence("B", 1)}},
		{"special_tokens", object{{bos, object{{"id", bos}, {"ids", []int{v.BOS}}, {"tokens", []string{bos}}}}}},
	}
}

// merges lists the pairs by which SentencePiece's merging goes in the order that
// Hugging Face's needs: by the score of what they make. Pairs of one piece come
// with the longer left part first.
func (v *Vocabulary) merges() [][2]string {
	known := make(map[string]bool, len(v.Tokens))
	for _, t := range v.Tokens {
		known[t.Text] = t.Type == Normal || t.Type == UserDefined
	}
	type merge struct {
		pair  [2]string
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
				list = append(list, merge{[2]string{left, right}, t.Score, id})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b merge) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id),
			cmp.Compare(utf8.RuneCountInString(b.pair[0]), utf8.RuneCountInString(a.pair[0])))
	})
	pairs := make([][2]string, len(list))
	for i, m := range list {
		pairs[i] = m.pair
	}
	return pairs
}
