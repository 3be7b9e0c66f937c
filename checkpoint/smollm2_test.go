package checkpoint

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mobilellm/checkpoint/modeltest"
)

// SmolLM2-135M-Instruct of a GGUF file in 4 bits is, to the bit, the model that gguf-py
// and transformers make of it.
func TestSmolLM2(t *testing.T) {
	file, dir, err := modeltest.SmolLM2()
	if err != nil {
		t.Skip(err)
	}
	got, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	want, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if got.Config != want.Config {
		t.Errorf("the config is\n%+v, want\n%+v", got.Config, want.Config)
	}
	var took [2]time.Duration
	for _, p := range got.Config.Parameters() {
		var x [2][]float32
		for i, m := range []*Model{got, want} {
			x[i] = make([]float32, p.Size())
			begun := time.Now()
			if err := m.LoadInto(p.Name, x[i], p.Shape); err != nil {
				t.Fatal(err)
			}
			took[i] += time.Since(begun)
		}
		if !slices.EqualFunc(x[0], x[1], func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			t.Errorf("%s differs", p.Name)
		}
	}
	t.Logf("weights of q4_1 took %v, of float32 %v", took[0], took[1])

	a, err := got.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	b, err := want.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	if x, y := fmt.Sprint(a.Special()), fmt.Sprint(b.Special()); x != y {
		t.Errorf("special tokens %s, want %s", x, y)
	}
	x, _ := a.ChatTemplate()
	if y, ok := b.ChatTemplate(); x != y || !ok {
		t.Errorf("the chat template is %q, want %q", x, y)
	}
	every := []byte{}
	for c := range 256 { // 0x04 and others have no token
		every = append(every, byte(c), ' ', byte(c), 'x')
	}
	for _, text := range []string{"", " x", "a\x04b", "In 1789,  2 words.\n\n\tdef f(n):", "naïve café 日本語 🙂‍↔️", "<|im_start|>user\nhi<|im_end|>", string(every)} {
		if x, y := a.Encode([]byte(text)), b.Encode([]byte(text)); !slices.Equal(x, y) {
			t.Errorf("%q has ids %d, want %d", text, x, y)
		}
		if x, y := a.Prompt(text), b.Prompt(text); !slices.Equal(x, y) {
			t.Errorf("%q as a prompt has ids %d, want %d", text, x, y)
		}
	}
	if ids := a.Encode([]byte("a\x04b")); len(ids) != 2 {
		t.Errorf("a byte without a token gives ids %d", ids)
	}
}

// Opening and reading all weights into memory that is there.
func BenchmarkLoad(b *testing.B) {
	file, dir, err := modeltest.SmolLM2()
	if err != nil {
		b.Skip(err)
	}
	for _, path := range []string{file, dir} {
		b.Run(filepath.Base(path), func(b *testing.B) {
			var dst [][]float32
			for b.Loop() {
				m, err := Open(path)
				if err != nil {
					b.Fatal(err)
				}
				for i, p := range m.Config.Parameters() {
					if i == len(dst) {
						dst = append(dst, make([]float32, p.Size()))
					}
					if err := m.LoadInto(p.Name, dst[i], p.Shape); err != nil {
						b.Fatal(err)
					}
				}
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
