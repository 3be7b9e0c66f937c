package vocab

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// blank stands for U+0020 in SentencePiece's pieces.
const blank = "\u2581"

// givenJSON is the part of a tokenizer.json that says which tokenizer it is.
type givenJSON struct {
	AddedTokens []struct {
		ID      int    `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	} `json:"added_tokens"`
	PreTokenizer *givenStage `json:"pre_tokenizer"`
	Normalizer   *givenStage `json:"normalizer"`
	Model        struct {
		Type         string         `json:"type"`
		ByteFallback bool           `json:"byte_fallback"`
		UnkToken     *string        `json:"unk_token"`
		Vocab        map[string]int `json:"vocab"`
		Merges       []givenMerge   `json:"merges"`
	} `json:"model"`
}

type givenStage struct {
	Type           string       `json:"type"`
	Pretokenizers  []givenStage `json:"pretokenizers"`
	Normalizers    []givenStage `json:"normalizers"`
	Pattern        struct{ Regex, String string }
	AddPrefixSpace *bool  `json:"add_prefix_space"`
	UseRegex       *bool  `json:"use_regex"`
	PrependScheme  string `json:"prepend_scheme"`
}

// givenMerge is a pair, in older files one string with a blank between.
type givenMerge [2]string

// UnmarshalJSON takes both forms.
func (m *givenMerge) UnmarshalJSON(raw []byte) error {
	var joined string
	if json.Unmarshal(raw, &joined) == nil {
		left, right, ok := strings.Cut(joined, " ")
		if !ok {
			return fmt.Errorf("merge %q has no blank", joined)
		}
		*m = givenMerge{left, right}
		return nil
	}
	var pair []string
	if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 {
		return errors.New("a merge is not a pair of tokens")
	}
	*m = givenMerge(pair)
	return nil
}

// ParseJSON reads a Hugging Face tokenizer.json: a byte-level BPE, or one that
// was made from SentencePiece (byte_fallback).
func ParseJSON(raw []byte) (*Vocabulary, error) {
	var g givenJSON
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, err
	}
	if g.Model.Type != "BPE" {
		return nil, fmt.Errorf("model.type %q is not supported: only BPE is", g.Model.Type)
	}
	v := &Vocabulary{BOS: -1, EOS: -1, Unknown: -1, files: map[string][]byte{jsonFile: raw}}
	if err := v.setTokens(&g); err != nil {
		return nil, err
	}
	var err error
	if g.Model.ByteFallback {
		err = v.fromSentencePiece(&g)
	} else {
		err = v.fromByteLevel(&g)
	}
	if err != nil {
		return nil, err
	}
	v.BOS = v.first("<s>", "<|begin_of_text|>", "<|endoftext|>", "<bos>")
	v.EOS = v.first("</s>", "<|end_of_text|>", "<|endoftext|>", "<eos>")
	return v, nil
}

// setTokens lists the vocabulary with what was added to it by id, which must be
// 0, 1, 2, … without a gap.
func (v *Vocabulary) setTokens(g *givenJSON) error {
	texts := make(map[int]Token, len(g.Model.Vocab))
	for text, id := range g.Model.Vocab {
		if other, taken := texts[id]; taken {
			return fmt.Errorf("tokens %q and %q both have id %d", other.Text, text, id)
		}
		texts[id] = Token{Text: text, Type: Normal}
	}
	for _, a := range g.AddedTokens {
		if other, taken := texts[a.ID]; taken && other.Text != a.Content {
			return fmt.Errorf("added token %q has the id %d of %q", a.Content, a.ID, other.Text)
		}
		t := Token{Text: a.Content, Type: UserDefined}
		if a.Special {
			t.Type = Control
		}
		texts[a.ID] = t
	}
	v.Tokens = make([]Token, len(texts))
	for id, t := range texts {
		if id < 0 || id >= len(texts) {
			return fmt.Errorf("token %q has id %d; %d tokens need the ids 0 to %d", t.Text, id, len(texts), len(texts)-1)
		}
		v.Tokens[id] = t
	}
	return nil
}

func (v *Vocabulary) first(texts ...string) int {
	for _, text := range texts {
		for id, t := range v.Tokens {
			if t.Type == Control && t.Text == text {
				return id
			}
		}
	}
	return -1
}

func (v *Vocabulary) fromByteLevel(g *givenJSON) error {
	v.Kind = ByteLevel
	for _, m := range g.Model.Merges {
		v.Merges = append(v.Merges, m)
	}
	stages := []givenStage{}
	if p := g.PreTokenizer; p != nil {
		stages = append(stages, *p)
		if p.Type == "Sequence" {
			stages = p.Pretokenizers
		}
	}
	if g.Normalizer != nil {
		return fmt.Errorf("normalizer %s is not supported with bytes", g.Normalizer.Type)
	}
	if len(stages) == 0 || stages[len(stages)-1].Type != "ByteLevel" {
		return errors.New("pre_tokenizer does not end in ByteLevel")
	}
	last := stages[len(stages)-1]
	if last.AddPrefixSpace == nil || *last.AddPrefixSpace {
		return errors.New("pre_tokenizer ByteLevel with add_prefix_space is not supported")
	}
	switch {
	case len(stages) == 2 && stages[0].Type == "Split":
		v.Pattern = stages[0].Pattern.Regex
	case len(stages) == 1:
	default:
		return fmt.Errorf("pre_tokenizer of %d stages is not supported", len(stages))
	}
	if last.UseRegex == nil || *last.UseRegex {
		if v.Pattern != "" {
			return errors.New("pre_tokenizer with two patterns is not supported")
		}
		v.Pattern = GPT2Pattern
	}
	return nil
}

// The patterns of words that other formats have names for.
const (
	GPT2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	Llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// fromSentencePiece gives back scores: the earlier a token is merged, the higher.
func (v *Vocabulary) fromSentencePiece(g *givenJSON) error {
	v.Kind = SentencePiece
	scores := map[string]float32{}
	for rank, m := range g.Model.Merges {
		if _, known := scores[m[0]+m[1]]; !known {
			scores[m[0]+m[1]] = -float32(rank)
		}
	}
	for id := range v.Tokens {
		t := &v.Tokens[id]
		switch _, isByte := byteOf(t.Text); {
		case g.Model.UnkToken != nil && t.Text == *g.Model.UnkToken:
			t.Type, v.Unknown = Unknown, id
		case isByte && t.Type == Normal:
			t.Type = Byte
		case t.Type == Normal:
			score, merged := scores[t.Text]
			if !merged {
				score = -float32(len(g.Model.Merges))
			}
			t.Score = score
		}
	}
	normal := []givenStage{}
	if n := g.Normalizer; n != nil {
		normal = append(normal, *n)
		if n.Type == "Sequence" {
			normal = n.Normalizers
		}
	}
	for _, n := range normal {
		switch n.Type {
		case "Prepend":
			v.AddPrefix = true
		case "Replace":
		default:
			return fmt.Errorf("normalizer %s is not supported", n.Type)
		}
	}
	if p := g.PreTokenizer; p != nil {
		if p.Type != "Metaspace" {
			return fmt.Errorf("pre_tokenizer %s is not supported with byte_fallback", p.Type)
		}
		v.AddPrefix = p.PrependScheme != "never"
	}
	return nil
}

// byteOf reads the name of a byte's token, like <0x0A>.
func byteOf(text string) (byte, bool) {
	var b byte
	if len(text) != 6 {
		return 0, false
	}
	if n, err := fmt.Sscanf(text, "<0x%02X>", &b); n != 1 || err != nil {
		return 0, false
	}
	return b, fmt.Sprintf("<0x%02X>", b) == text
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

// object is a JSON object whose fields keep their order.
type object []field

type field struct {
	key   string
	value any
}

// MarshalJSON writes the fields in order.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	for i, f := range o {
		out.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		for j, part := range []any{f.key, f.value} {
			raw, err := marshal(part)
			if err != nil {
				return nil, err
			}
			if j == 1 {
				out.WriteByte(':')
			}
			out.Write(raw)
		}
	}
	if len(o) == 0 {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// marshal keeps <, > and & as they are.
func marshal(value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimRight(out.Bytes(), "\n"), err
}

func indented(value any) ([]byte, error) {
	raw, err := marshal(value)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

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

// fastClass is the class of Hugging Face's that takes tokenizer.json as it is.
// LlamaTokenizer makes its own of the vocabulary, and treats a blank that begins a
// text differently from SentencePiece.
const fastClass = "PreTrainedTokenizerFast"

// withFastClass is a tokenizer_config.json with that class and all else as it was.
func withFastClass(raw []byte) ([]byte, error) {
	var config map[string]json.RawMessage
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, err
	}
	class, err := json.Marshal(fastClass)
	if err != nil {
		return nil, err
	}
	config["tokenizer_class"] = class
	return indented(config)
}

// marshalConfig returns tokenizer_config.json. Where there is no
// tokenizer.json, the class is the one that reads tokenizer.model.
func (v *Vocabulary) marshalConfig() ([]byte, error) {
	class := fastClass
	if v.Kind == SentencePiece && (len(v.CharsMap) > 0 || v.RemoveExtraBlanks) {
		class = "LlamaTokenizer"
	}
	config := object{{"tokenizer_class", class}}
	config = append(config, v.special()...)
	config = append(config,
		field{"add_bos_token", v.Kind == SentencePiece && v.BOS >= 0}, field{"add_eos_token", false},
		field{"clean_up_tokenization_spaces", false}, field{"legacy", true})
	return indented(config)
}

func (v *Vocabulary) marshalSpecial() ([]byte, error) { return indented(v.special()) }

func (v *Vocabulary) special() object {
	var o object
	for _, s := range []struct {
		key string
		id  int
	}{{"bos_token", v.BOS}, {"eos_token", v.EOS}, {"unk_token", v.Unknown}} {
		if s.id >= 0 {
			o = append(o, field{s.key, v.text(s.id)})
		}
	}
	return o
}
