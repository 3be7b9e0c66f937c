package data

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// write writes a file of a test's folder.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// talk is a line of a conversation of one question.
func talk(question, answer string) string {
	return fmt.Sprintf(`{"messages": [{"role": "user", "content": %q}, {"role": "assistant", "content": %q}]}`+"\n", question, answer)
}

// chats are conversations of 40 to 60 tokens by bytes and the alpaca template.
func chats(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(talk(strings.Repeat("q", 1+i%11), fmt.Sprintf("answer %d", i)))
	}
	return b.String()
}

func chatConfig(paths ...string) Config {
	c := DefaultConfig()
	c.Train, c.Tokenizer, c.Kind, c.ChatTemplate = Texts(paths...), TokenizerBytes, "chat", "alpaca"
	c.Seq, c.DocumentMask, c.HeldoutFraction = 150, true, 0.2
	return c
}

func TestFitDecreasing(t *testing.T) {
	if got, want := fitDecreasing([]int{3, 7, 4, 3, 6, 10, 1}, 10), [][]int{{5}, {1, 0}, {4, 2}, {3, 6}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	r := rand.New(rand.NewPCG(1, 2))
	sizes := make([]int, 3000)
	total := 0
	for i := range sizes {
		sizes[i] = 1 + r.IntN(200)
		total += sizes[i]
	}
	var seen []int
	bins := fitDecreasing(sizes, 200)
	for _, bin := range bins {
		sum := 0
		for _, i := range bin {
			sum += sizes[i]
		}
		if sum > 200 {
			t.Fatalf("bin %v holds %d", bin, sum)
		}
		seen = append(seen, bin...)
	}
	slices.Sort(seen)
	for i, item := range seen {
		if i != item {
			t.Fatalf("item %d is missing or twice", i)
		}
	}
	if least := (total + 199) / 200; len(bins) > least+least/50 {
		t.Errorf("%d bins, %d would do", len(bins), least)
	}
}

// heard are the supervised texts of a batch, and its documents.
func heard(b *Batch) (list []string) {
	for row := range b.Rows {
		inputs, targets := b.row(row)
		text := ""
		for i, target := range targets {
			if target != Ignored {
				text += string(rune(target))
				if i+1 < len(inputs) && b.Docs[row*b.Seq+i+1] == b.Docs[row*b.Seq+i] && inputs[i+1] != target {
					panic("a target is not what follows")
				}
			}
			if target == Ignored && text != "" || i == len(targets)-1 && text != "" {
				list, text = append(list, strings.TrimSuffix(text, string(rune(256)))+"|"), ""
			}
		}
	}
	return list
}

// Every answer with its end is learned once an epoch, whole and alone, and held-out
// answers are scored once; conversations do not cross.
func TestChatSamples(t *testing.T) {
	dir := t.TempDir()
	set, err := Load(context.Background(), chatConfig(write(t, dir, "a.jsonl", chats(40))), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if c := set.Chat; c.Read != 40 || c.Kept != 40 || c.Truncated+c.Bad+c.Unlearned != 0 || c.Room < c.Tokens || float64(c.Tokens) < 0.8*float64(c.Room) {
		t.Errorf("%+v", c)
	}
	rows := len(set.Train.chats[0].starts) - 1
	config := LoaderConfig{Batch: 1, Seq: 150, Seed: 3, Docs: true}
	loader, err := NewLoader(set.Train, config)
	if err != nil {
		t.Fatal(err)
	}
	defer loader.Close()
	var all []string
	for step := range 2 * rows {
		b, err := loader.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if b.Epoch != int64(step/rows) || b.Length <= b.Tokens {
			t.Errorf("step %d: epoch %d, %d of %d supervised", step, b.Epoch, b.Tokens, b.Length)
		}
		all = append(all, heard(b)...)
		b.Release()
	}
	heldout, err := HeldoutBatches(set.Heldout, 3, 150, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := heldout.NumberDocuments(); err != nil {
		t.Fatal(err)
	}
	tokens := 0
	var scored []string
	for b := range heldout.All() {
		tokens += b.Tokens
		scored = append(scored, heard(b)...)
	}
	if int64(tokens) != heldout.Tokens || heldout.Bytes != heldout.Tokens-int64(len(scored)) { // EOS has no bytes
		t.Errorf("%d tokens scored, %d and %d bytes said", tokens, heldout.Tokens, heldout.Bytes)
	}
	if len(scored) < 6 || len(scored) > 10 {
		t.Errorf("%d of 40 answers are held out", len(scored))
	}
	all = append(all, append(scored, scored...)...)
	slices.Sort(all)
	for i := range 40 {
		want := fmt.Sprintf("answer %d|", i)
		at, _ := slices.BinarySearch(all, want)
		if at+1 >= len(all) || all[at] != want || all[at+1] != want || at+2 < len(all) && all[at+2] == want {
			t.Errorf("%q does not come twice", want)
		}
	}
	if template, _ := set.Tokenizer.ChatTemplate(); !strings.Contains(template, "### Response:") {
		t.Errorf("the template is %q", template)
	}
}

// Without the document mask a row is one conversation.
func TestChatUnpacked(t *testing.T) {
	c := chatConfig(write(t, t.TempDir(), "a.jsonl", chats(10)))
	c.DocumentMask = false
	set, err := Load(context.Background(), c, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(set.Train.chats[0].starts) - 1; n != len(set.Train.docs) || n < 7 {
		t.Errorf("%d rows of %d conversations", n, len(set.Train.docs))
	}
}

// Conversations mix with text, with weights or without: of text every token is learned,
// and in an epoch each window comes once.
func TestChatMixture(t *testing.T) {
	dir := t.TempDir()
	talks, text := write(t, dir, "a.jsonl", chats(30)), write(t, dir, "b.txt", strings.Repeat("lorem ipsum ", 200))
	held := write(t, dir, "c.jsonl", chats(3)+talk("x", "held out"))
	for _, weight := range []float64{1, 3} {
		c := chatConfig()
		c.Train = Sources{{Path: text, Weight: weight, Kind: "text"}, {Path: talks, Weight: 1}, {Path: text, Weight: 0.5, Kind: "text"}}[:2]
		c.Heldout = Sources{{Path: held, Weight: 1}, {Path: text, Weight: 1, Kind: "text"}}[:1]
		set, err := Load(context.Background(), c, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		loader, err := NewLoader(set.Train, LoaderConfig{Batch: 1, Seq: 150, Seed: 7, Docs: true})
		if err != nil {
			t.Fatal(err)
		}
		windows := int64(2400 / 150)
		rows := int64(len(set.Train.chats[0].starts) - 1)
		passes := loader.Passes(0)
		if weight == 1 && (len(passes) != 1 || passes[0].Windows != windows+rows) || weight != 1 && (len(passes) != 2 || passes[0].Windows != windows || passes[1].Windows != rows) {
			t.Errorf("weight %g: passes %+v, there are %d windows and %d rows", weight, passes, windows, rows)
		}
		whole, learned := 0, 0
		for range windows + rows {
			b, err := loader.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if b.Tokens == 150 {
				whole++
			} else {
				learned += len(heard(b))
			}
			b.Release()
		}
		loader.Close()
		if weight == 1 && (whole != int(windows) || learned != 27) { // three are held out
			t.Errorf("%d windows of text and %d answers, want %d and 27", whole, learned, windows)
		}
		if share := float64(whole) / float64(windows+rows); weight != 1 && (share < 0.6 || share > 0.9) {
			t.Errorf("%.2f of the samples are text, want 0.75", share)
		}
	}
}

// The sample of a step does not depend on what was read before, and another fingerprint
// tells other conversations, or another template, apart.
func TestChatIsPure(t *testing.T) {
	dir := t.TempDir()
	c := chatConfig(write(t, dir, "a.jsonl", chats(40)))
	set, err := Load(context.Background(), c, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	batch := func(set *Set, start int64, skip int) []int32 {
		loader, err := NewLoader(set.Train, LoaderConfig{Batch: 2, Seq: 150, Seed: 5, StartStep: start, Docs: true})
		if err != nil {
			t.Fatal(err)
		}
		defer loader.Close()
		for range skip {
			b, err := loader.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
		b, err := loader.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return slices.Concat(b.Inputs, b.Targets, b.Docs)
	}
	again, err := Load(context.Background(), c, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(batch(set, 0, 9), batch(again, 9, 0)) || set.Train.Fingerprint() != again.Train.Fingerprint() {
		t.Error("the tenth step depends on the way to it")
	}
	c.ChatTemplate = "vicuna"
	if other, err := Load(context.Background(), c, LoadOptions{}); err != nil || other.Train.Fingerprint() == set.Train.Fingerprint() {
		t.Errorf("another template has the same fingerprint, %v", err)
	}
}

// What of a source is not learned is counted and listed, with file, line and turn.
func TestChatNotes(t *testing.T) {
	dir := t.TempDir()
	lines := chats(12) + // lines 1 to 12
		`{"messages": [{"role": "user", "content": "a"}, {"role": "critic", "content": "b"}]}` + "\n" +
		`{"messages": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, {"role": "assistant", "content": "c"}]}` + "\n" +
		`{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]}` + "\n" +
		`{"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}, {"role": "assistant", "content": "c"}]}` + "\n" +
		`{"messages": [{"role": "user", "content": "nobody"}]}` + "\n" +
		`{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]}` + "\n" +
		talk("long", strings.Repeat("x", 200)) +
		talk(strings.Repeat("y", 200), "too late") +
		"{broken\n"
	path := write(t, dir, "a.jsonl", lines)
	c := chatConfig(path)
	c.Heldout = Texts(write(t, dir, "b.jsonl", talk("held", "out")))
	set, err := Load(context.Background(), c, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := set.Chat
	if r.Read != 21 || r.Kept != 15 || r.Bad != 4 || r.Unlearned != 2 || r.Truncated != 1 || r.Unanswered != 1 || set.Read.Lines.Bad != 1 {
		t.Errorf("%+v", r)
	}
	notes := strings.Join(set.Notes, "\n")
	for _, want := range []string{
		"left out 4 of 21 conversations, the first is " + path + `:13: turn 2: role "critic" is none of`,
		"left out 2 of 21 conversations in which nothing is supervised, the first is " + path + ":17: no turn of the assistant is in it",
		"1 of 21 conversations are longer than data.seq: 90 tokens are cut off, of them 88 supervised; the first is " + path + ":19 of 241 tokens",
		"1 conversations end with a turn that nobody answers",
		"left out 1 of 22 lines, the first is " + path + ":21: ",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("no %q in\n%s", want, notes)
		}
	}
	var skipped []string
	for _, s := range set.Read.Skipped {
		skipped = append(skipped, s.Document[len(dir)+1:]+" "+s.Reason+" "+s.Detail)
	}
	for i, want := range []string{
		"a.jsonl:21 unreadable ", `a.jsonl:13 unreadable turn 2: role "critic"`, "a.jsonl:14 unreadable turn 2 (system): turn 1 is of the system already",
		"a.jsonl:15 unreadable turn 2 (assistant) is empty", "a.jsonl:16 unreadable turn 2 (tool): chat template: roles are system, user and assistant, got tool",
		"a.jsonl:17 unlearned no turn of the assistant", "a.jsonl:20 unlearned nothing within the first 151 of its 24",
	} {
		if i >= len(skipped) || !strings.HasPrefix(skipped[i], want) {
			t.Errorf("skipped %d is not %q in\n%s", i, want, strings.Join(skipped, "\n"))
		}
	}
}

func TestChatRefuses(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good.jsonl", chats(5))
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"no turn of the assistant", func(c *Config) {
			c.Train = Texts(write(t, dir, "users.jsonl", strings.Repeat(`{"messages": [{"role": "user", "content": "a"}]}`+"\n", 2)+`{"messages": [{"role": "user", "content": "b"}]}`))
		}, []string{"users.jsonl: none of ", "; in ", "nothing is supervised, the first is ", "users.jsonl:", ": no turn of the assistant is in it"}},
		{
			"unknown fields", func(c *Config) { c.Train = Texts(write(t, dir, "text.jsonl", `{"text": "a"}`+"\n"+`{"text": "b"}`)) },
			[]string{"none of 1 conversations can be learned; 1 cannot be read or rendered", "no field messages, conversations, instruction or prompt, there is text"},
		},
		{"one conversation", func(c *Config) { c.Train = Texts(write(t, dir, "one.jsonl", talk("a", "b"))) }, []string{"one.jsonl has one conversation, and none to hold out", "data.heldout"}},
		{"text", func(c *Config) { c.Train = Texts(write(t, dir, "a.txt", "a")) }, []string{"a.txt is no JSON: conversations are read from .json, .jsonl and .parquet"}},
		{"a split marker", func(c *Config) { c.ChatTemplate = "chatml" }, []string{`good.jsonl: the chat template ends a turn of the assistant with "<|im_end|>", which the tokenizer splits into 10 tokens`, "data.add_tokens=[<|im_start|>, <|im_end|>]"}},
		{"no end", func(c *Config) {
			c.ChatTemplate = write(t, dir, "plain.jinja", "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
		}, []string{"the chat template ends a turn of the assistant with no token that ends a text", "data.chat_template=alpaca"}},
		{"no template", func(c *Config) { c.ChatTemplate = "" }, []string{"good.jsonl: the model has no chat template", "data.chat_template=alpaca"}},
		{"an unknown template", func(c *Config) { c.ChatTemplate = "alpacca" }, []string{`data.chat_template: no chat template named "alpacca"`, "nor a file"}},
		{"a broken template", func(c *Config) { c.ChatTemplate = write(t, dir, "broken.jinja", "{% if %}") }, []string{"data.chat_template: chat template: "}},
		{
			"a template that fails", func(c *Config) { c.ChatTemplate = write(t, dir, "fails.jinja", "{{ raise_exception('never') }}") },
			[]string{"cannot be read or rendered, the first is ", "good.jsonl:", ": turn 1 (user): chat template: never"},
		},
		{"a tokenizer to be trained", func(c *Config) { c.Tokenizer = TokenizerTrain }, []string{"conversations need a tokenizer", "--init"}},
		{"a blank token", func(c *Config) { c.AddTokens = []string{" "} }, []string{"data.add_tokens: "}},
		{"no pairs", func(c *Config) { c.Kind = "prompt_completion" }, []string{`no field "prompt", there is messages`}},
	} {
		config := chatConfig(good)
		c.change(&config)
		_, err := Load(context.Background(), config, LoadOptions{})
		wantError(t, c.name, err, c.want...)
	}
}

// Added tokens end turns, and from then on generated texts.
func TestChatAddedTokens(t *testing.T) {
	c := chatConfig(write(t, t.TempDir(), "a.jsonl", chats(10)))
	c.ChatTemplate, c.AddTokens = "chatml", []string{"<|im_start|>", "<|im_end|>"}
	set, err := Load(context.Background(), c, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s := set.Tokenizer.Special(); !slices.Equal(set.Added, []int32{257, 258}) || !slices.Equal(s.EOS, []int32{256, 258}) || set.Tokenizer.VocabSize() != 259 {
		t.Errorf("added %v, ends %v", set.Added, s.EOS)
	}
	if _, err := Load(context.Background(), c, LoadOptions{Vocab: 257}); err == nil {
		t.Error("a model of 257 ids takes 259")
	}
	// A resumed run's tokenizer has them, and its template, whatever became of the file.
	c.ChatTemplate = "gone.jinja"
	again, err := Load(context.Background(), c, LoadOptions{Tokenizer: set.Tokenizer, Resumed: true, Vocab: 259})
	if err != nil || again.Train.Fingerprint() != set.Train.Fingerprint() || len(again.Added) != 0 {
		t.Errorf("resumed: %v", err)
	}
}

// Prompts with completions, and conversations in parquet.
func TestChatForms(t *testing.T) {
	dir := t.TempDir()
	pairs := ""
	for i := range 8 {
		pairs += fmt.Sprintf(`{"prompt": "%d+1=", "completion": "%d"}`+"\n", i, i+1)
	}
	c := chatConfig(write(t, dir, "a.jsonl", pairs))
	c.Kind, c.ChatTemplate = "prompt_completion", ""
	set, err := Load(context.Background(), c, LoadOptions{})
	if err != nil || set.Chat.Kept != 8 || set.Chat.Supervised != 16 {
		t.Errorf("%+v, %v", set, err)
	}
	type turn struct {
		From  string `parquet:"from"`
		Value string `parquet:"value"`
	}
	type row struct {
		Conversations []turn `parquet:"conversations,list"`
	}
	var rows []row
	for i := range 8 {
		rows = append(rows, row{[]turn{{"human", "a"}, {"gpt", fmt.Sprint(i)}}})
	}
	path := filepath.Join(dir, "a.parquet")
	if err := parquet.WriteFile(path, append(rows, row{[]turn{{"human", ""}, {"gpt", "b"}}})); err != nil {
		t.Fatal(err)
	}
	c = chatConfig(path)
	if set, err = Load(context.Background(), c, LoadOptions{}); err != nil || set.Chat.Kept != 8 || set.Chat.Supervised != 16 || !strings.HasSuffix(set.Chat.FirstBad, "a.parquet#8: turn 1 (user) is empty") {
		t.Errorf("%+v, %v", set, err)
	}
}
