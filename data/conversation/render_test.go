package conversation

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"mobilellm/tokenizer"
	"mobilellm/tokenizer/chat"
)

// chatML is a byte tokenizer with ChatML's markers, 257 and 258.
func chatML(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	tok, added, err := tokenizer.Bytes().AddTokens([]string{"<|im_start|>", "<|im_end|>"})
	if err != nil || !slices.Equal(added, []int32{257, 258}) {
		t.Fatal(added, err)
	}
	return tok
}

const (
	unmarked = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
	// thinking shows what was thought in the last turn only, as reasoning models' do.
	thinking = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content and loop.last %}({{ m.reasoning_content }}){% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
	strict   = "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)

// learned are the supervised parts of a sample as text.
func learned(tok *tokenizer.Tokenizer, s *Sample) (list []string) {
	for _, r := range s.Learn {
		text := ""
		for _, id := range s.IDs[r.From:r.To] {
			text += string(tok.Token(id))
		}
		list = append(list, text)
	}
	return list
}

func TestRender(t *testing.T) {
	tok := chatML(t)
	marked, err := chat.Source("chatml")
	if err != nil {
		t.Fatal(err)
	}
	two := said("user", "é?", "assistant", "ü!", "user", "c", "assistant", " d\n")
	for _, c := range []struct {
		name, source string
		conversation Conversation
		want         []string
	}{
		{"marked", marked, Conversation{Messages: two}, []string{"ü!<|im_end|>", " d\n<|im_end|>"}},
		{"unmarked", unmarked, Conversation{Messages: two}, []string{"ü!<|im_end|>", " d\n<|im_end|>"}},
		{"given turns, marked", marked, Conversation{Messages: two, First: 3}, []string{" d\n<|im_end|>"}},
		{"given turns, unmarked", unmarked, Conversation{Messages: two, First: 3}, []string{" d\n<|im_end|>"}},
		{"unanswered", marked, Conversation{Messages: two[:3]}, []string{"ü!<|im_end|>"}},
		{"nothing said", unmarked, Conversation{Messages: two[:1]}, nil},
		{"assistant first", unmarked, Conversation{Messages: two[1:2]}, []string{"ü!<|im_end|>"}},
		{"no end", "{% for m in messages %}{{ m.role + ': ' + m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}", Conversation{Messages: two[:2]}, []string{" ü!\n"}},
		{"a pair", "", Conversation{Pair: &Pair{"<|im_end|>é", "b"}}, []string{"b<|endoftext|>"}},
		{"an empty prompt", "", Conversation{Pair: &Pair{"", "b"}}, []string{"b<|endoftext|>"}},
	} {
		r, err := NewRenderer(tok, c.source, false)
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Render(context.Background(), &c.conversation)
		if err != nil || !slices.Equal(learned(tok, s), c.want) {
			t.Errorf("%s: %q, %v, want %q", c.name, learned(tok, s), err, c.want)
			continue
		}
		for i, end := range s.Ends {
			if last := s.IDs[s.Learn[i].To-1]; end != last && (end != tokenizer.None || tok.IsControl(last)) {
				t.Errorf("%s: turn %d ends with %d, said is %d", c.name, i, last, end)
			}
		}
	}
}

// The text of special tokens in a plain prompt is text, unless it is asked for.
func TestPairSpecial(t *testing.T) {
	tok := chatML(t)
	for parse, want := range map[bool]int{false: 1 + 10 + 1 + 1, true: 1 + 1 + 1 + 1} {
		r, err := NewRenderer(tok, "", parse)
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Render(context.Background(), &Conversation{Pair: &Pair{"<|im_end|>", "b"}})
		if err != nil || len(s.IDs) != want {
			t.Errorf("%v: %v, %v", parse, s, err)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	thought := []chat.Message{{Role: "user", Content: "a"}, {Role: "assistant", Content: "b", Reasoning: "hm"}, {Role: "user", Content: "c"}, {Role: "assistant", Content: "d"}}
	for _, c := range []struct{ source, want string }{
		{thinking, "turn 2 (assistant): the chat template, which has no {% generation %} blocks, renders the turn otherwise when others follow"},
		{strict, "turn 3 (tool): chat template: no tools here"},
		{"", "the model has no chat template; choose one by name: alpaca"},
	} {
		r, err := NewRenderer(chatML(t), c.source, false)
		if err != nil {
			t.Fatal(err)
		}
		in := &Conversation{Messages: thought}
		if c.source == strict {
			in = &Conversation{Messages: said("user", "a", "assistant", "b", "tool", "c", "assistant", "d")}
		}
		if s, err := r.Render(context.Background(), in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, %v, want %q", c.source, s, err, c.want)
		}
	}
	if _, err := NewRenderer(chatML(t), "{% if %}", false); err == nil || !strings.Contains(err.Error(), "chat template: ") {
		t.Errorf("a broken template gives %v", err)
	}
}

func TestTruncate(t *testing.T) {
	s := Sample{IDs: make([]int32, 10), Learn: []Range{{2, 4}, {6, 9}}}
	if ids, lost := s.Truncate(12); ids != 0 || lost != 0 || s.Supervised() != 5 {
		t.Error(ids, lost, s)
	}
	if ids, lost := s.Truncate(7); ids != 3 || lost != 2 || s.Supervised() != 3 || len(s.IDs) != 7 {
		t.Error(ids, lost, s)
	}
	if ids, lost := s.Truncate(2); ids != 5 || lost != 3 || len(s.Learn) != 0 {
		t.Error(ids, lost, s)
	}
}

func TestSplitMarkers(t *testing.T) {
	for want, tok := range map[string]*tokenizer.Tokenizer{"": chatML(t), "<|im_start|> <|im_end|>": tokenizer.Bytes()} {
		r, err := NewRenderer(tok, unmarked, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(r.SplitMarkers(), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		c := &Conversation{Messages: said("user", "a", "assistant", "b")}
		s, err := r.Render(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		if text, n := r.Ending(c, s); text != "<|im_end|>" || (n == 1) != (want == "") {
			t.Errorf("turns end with %q of %d tokens", text, n)
		}
	}
}

// What a tokenizer changes is found by the beginnings of the text.
func TestChangedText(t *testing.T) {
	tok := lowercase(t)
	if _, err := tok.Align([]byte("ÀB"), tok.Encode([]byte("ÀB"))); err == nil {
		t.Fatal("the text is as it was")
	}
	r, err := NewRenderer(tok, "{% for m in messages %}{{ m.role + ':' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}", false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Render(context.Background(), &Conversation{Messages: said("user", "AB", "assistant", "BA")})
	if err != nil || !slices.Equal(learned(tok, s), []string{"ba</s>"}) {
		t.Errorf("%q, %v", learned(tok, s), err)
	}
}

// lowercase is a tokenizer of single bytes that writes all in small letters.
func lowercase(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	vocab := map[string]int{"</s>": 0}
	for b := '!'; b <= '~'; b++ {
		if b < 'A' || b > 'Z' {
			vocab[string(b)] = len(vocab)
		}
	}
	level := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	raw, err := json.Marshal(map[string]any{
		"version": "1.0", "normalizer": map[string]any{"type": "Lowercase"}, "pre_tokenizer": level, "decoder": level,
		"added_tokens": []any{map[string]any{"id": 0, "content": "</s>", "special": true}},
		"model":        map[string]any{"type": "BPE", "vocab": vocab, "merges": []any{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.FromFiles(tokenizer.Files{tokenizer.JSONFile: raw, tokenizer.ConfigFile: []byte(`{"eos_token":"</s>"}`)})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}
