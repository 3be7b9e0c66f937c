package convert

import (
	"bytes"
	"fmt"
	"slices"

	"mobilellm/export"
	"mobilellm/tokenizer"
)

// Special are the special tokens that both models have; -1 is none.
type Special struct {
	BOS   int32   `json:"bos"`
	EOS   []int32 `json:"eos"`
	PAD   int32   `json:"pad"`
	Start int32   `json:"start"` // what opens a text
}

// sampleTexts are texts in which tokenizers differ: words of all kinds, digits, blanks,
// line ends, letters in two forms, other scripts, control characters, broken UTF-8.
var sampleTexts = []string{
	"", " ", "the quick brown fox", "Once upon a time, there was a little girl named Lily.", " one", "  two", "trailing  ", "a  b   c\n\n\n d",
	"\n", "\n\n line feeds\r\nand\rreturns\t\ttabs", "don't can't WE'LL we've I'm he'd", "0 12 345 6789 1234567890 3.14 1,000", "  12", "x=1;y[2]++ // §²½",
	"CamelCase snake_case kebab-case SHOUT ÉTÉ été Straße", "e\u0301 \u00e9 \u212b \ufb01 \u1e9b\u0323", "日本語テキスト 한국어 ไทย العربية हिन्दी",
	"🙂 👨‍👩‍👧‍👦 🇫🇷", "\u00a0\u2028\u3000\u200b\ufeff", "\x00\x01\x04\x1f\x7f", "\xff\xc0\xe2\x82", "<s></s><unk><pad><|endoftext|>", "https://example.org/a?b=c&d=e#f",
}

// verifyTokens compares the tokenizers of a model and of what was written: special
// tokens, chat template, and the ids of texts, by which tokens and merges show.
func (r *Result) verifyTokens(m, written *export.Model, path string) error {
	if r.Format == Llama2c && written.OpenTokenizer == nil {
		return nil // none was written, so that none is needed
	}
	want, err := m.Tokenizer()
	if err != nil {
		if r.Format == HF {
			return sameFiles(m, written, path)
		}
		return err
	}
	if want == nil {
		return nil
	}
	got, err := written.Tokenizer()
	switch {
	case err != nil: // which names the file
		return err
	case got == nil:
		return fmt.Errorf("%s: the tokenizer is missing", path)
	}
	c := comparison{m.Config.VocabSize, r.Format, want, got}
	r.Special, err = c.special()
	if err == nil {
		r.Texts, err = c.texts()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// comparison is of two tokenizers of a model with so many ids.
type comparison struct {
	size      int
	format    Format
	want, got *tokenizer.Tokenizer
}

func (c comparison) special() (*Special, error) {
	w, g := c.want.Special().Within(c.size), c.got.Special().Within(c.size)
	if c.format == Llama2c { // which has a beginning and an end only
		w.BOS, w.PAD, w.EOS = w.Start, tokenizer.None, w.EOS[:min(1, len(w.EOS))]
	}
	for _, f := range []struct {
		what      string
		want, got []int32
	}{
		{"bos_token_id is", []int32{w.BOS}, []int32{g.BOS}},
		{"eos_token_id is", w.EOS, g.EOS},
		{"pad_token_id is", []int32{w.PAD}, []int32{g.PAD}},
		{"a text is opened by", []int32{w.Start}, []int32{g.Start}},
	} {
		if !slices.Equal(f.want, f.got) {
			return nil, fmt.Errorf("%s %d, in the model %d", f.what, f.got, f.want)
		}
	}
	if c.format != Llama2c {
		a, _ := c.want.ChatTemplate()
		b, _ := c.got.ChatTemplate()
		if a != b {
			return nil, fmt.Errorf("the chat template is %.60q, in the model %.60q", b, a)
		}
	}
	return &Special{w.BOS, append([]int32{}, w.EOS...), w.PAD, w.Start}, nil
}

// texts compares the ids of the sample texts, of every token's own text, in which a
// changed merge shows, and of every control token within others.
func (c comparison) texts() (compared int, err error) {
	for _, text := range sampleTexts {
		if err := c.text([]byte(text), (*tokenizer.Tokenizer).EncodeOrdinary); err != nil {
			return 0, err
		}
	}
	compared = len(sampleTexts)
	for id := range min(c.size, c.want.VocabSize()) {
		text := c.want.Decode([]int32{int32(id)})
		if err := c.text(text, (*tokenizer.Tokenizer).EncodeOrdinary); err != nil {
			return 0, err
		}
		compared++
	}
	if c.format == Llama2c { // whose file does not know which tokens are control tokens
		return compared, nil
	}
	v, err := c.want.Vocabulary()
	if err != nil {
		return compared, nil // of a kind that travels as it is
	}
	for _, t := range v.Tokens[:min(c.size, len(v.Tokens))] {
		if t.Type != tokenizer.Control && t.Type != tokenizer.UserDefined {
			continue
		}
		for _, text := range []string{t.Text, "one" + t.Text + "two", " " + t.Text + "\n" + t.Text + "  two"} {
			if err := c.text([]byte(text), (*tokenizer.Tokenizer).Encode); err != nil {
				return 0, err
			}
			compared++
		}
	}
	return compared, nil
}

// text compares the ids of a text, if the model has them.
func (c comparison) text(text []byte, encode func(*tokenizer.Tokenizer, []byte) []int32) error {
	want := encode(c.want, text)
	if len(want) > 0 && int(slices.Max(want)) >= c.size {
		return nil
	}
	if got := encode(c.got, text); !slices.Equal(got, want) {
		return fmt.Errorf("the text %.60q becomes tokens %d, in the model %d", text, got, want)
	}
	return nil
}

// sameFiles compares the files of tokenizers that this program cannot apply.
func sameFiles(m, written *export.Model, path string) error {
	want, err := m.TokenizerFiles()
	if err != nil {
		return err
	}
	got, err := written.TokenizerFiles()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for name, raw := range want {
		if tokenizer.Travels(name) && !bytes.Equal(raw, got[name]) {
			return fmt.Errorf("%s: %s is not the model's", path, name)
		}
	}
	return nil
}
