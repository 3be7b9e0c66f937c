package huggingface

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"golang.org/x/text/unicode/norm"

	"mobilellm/tokenizer/internal/chars"
)

// Normalizers do to every character what the library's do; testdata/characters.py wrote
// the hashes. That package norm follows a later version of Unicode must not show.
func TestEveryCharacter(t *testing.T) {
	raw, err := os.ReadFile("testdata/characters.json")
	if err != nil {
		t.Fatal(err)
	}
	var hashes map[string]string
	if err := json.Unmarshal(raw, &hashes); err != nil {
		t.Fatal(err)
	}
	if len(hashes) < 8 {
		t.Fatalf("%d normalizers", len(hashes))
	}
	// Large blocks of characters that are all alike, and surrogates.
	alike := chars.Of(chars.Range{Lo: 0x3400, Hi: 0x9fff}, chars.Range{Lo: 0xb000, Hi: 0xf8ff}, chars.Range{Lo: 0x17000, Hi: 0x18cff}, chars.Range{Lo: 0x20000, Hi: 0x2f7ff})
	for name, want := range hashes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := newNormalizer(&Stage{Type: name})
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			for c := range rune(0x30000) {
				if alike.Has(c) {
					continue
				}
				for _, text := range []string{string(c), "A" + string(c), fmt.Sprintf("a\u0334\u0345%c\u0301\u0327%c", c, c)} {
					h.Write(append(n.apply(normal{text: []byte(text)}).text, '\n'))
				}
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != want {
				t.Errorf("%s (package norm has Unicode %s): %s, want %s", name, norm.Version, got, want)
			}
		})
	}
}
