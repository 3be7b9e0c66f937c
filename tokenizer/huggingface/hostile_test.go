package huggingface

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A tokenizer.json from a stranger takes no more than moments for a text of 100 KB, if not
// on a busy machine.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes under the race detector")
	}
	a := strings.Repeat("a", 100_000)
	quoted := func(text string) string {
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	var added, pieces []string
	for n := range 1000 {
		added = append(added, fmt.Sprintf(`{"content": %s}`, quoted(strings.Repeat("a", n%longestAdded)+"b")))
		pieces = append(pieces, fmt.Sprintf(`[%s, -1]`, quoted(strings.Repeat("a", n%longestPiece+1))))
	}
	split := func(pattern string) string {
		return fmt.Sprintf(`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": %s}, "behavior": "MergedWithPrevious", "invert": false}}`, quoted(pattern))
	}
	replace := func(pattern string) string {
		return fmt.Sprintf(`{"normalizer": {"type": "Replace", "pattern": {"Regex": %s}, "content": %s}}`, quoted(pattern), quoted(strings.Repeat("▁", 20)))
	}
	for name, tt := range map[string]struct{ change, text string }{
		"nested quantifiers":  {split(`(a+)+b`), a},
		"alternatives":        {split(`(a|aa|a*)*$b`), a},
		"every place":         {split(`a(?=a*b)`), a + "b"},
		"empty matches":       {split(``), a},
		"look-behind":         {split(`(?<!b.*a)a`), a},
		"replaced everywhere": {replace(`a`), a},
		"replaced by nothing": {replace(`(?=a+$)`), a},
		"added tokens":        {`{"added_tokens": [` + strings.Join(added, ",") + `]}`, a},
		"blanks":              {`{"added_tokens": [{"content": "<", "lstrip": true, "rstrip": true}]}`, strings.Repeat(" ", 50_000) + "<" + strings.Repeat(" ", 50_000)},
		"blanks between":      {`{"added_tokens": [{"content": "<", "lstrip": true, "rstrip": true, "single_word": true}]}`, strings.Repeat(" <a", 30_000)},
		"blanks themselves":   {`{"added_tokens": [{"content": " ", "lstrip": true, "rstrip": true}]}`, strings.Repeat(" ", 100_000)},
		"marks":               {`{"normalizer": {"type": "NFKC"}}`, "e" + strings.Repeat("\u0301\u0323", 25_000)},
		"pieces":              {`{"added_tokens": [], "model": {"type": "Unigram", "unk_id": 0, "vocab": [` + strings.Join(pieces, ",") + `]}}`, a},
		"one word":            {`{"pre_tokenizer": null, "decoder": null}`, a + strings.Repeat("é", 1000)},
	} {
		f, err := changedFile(t, "metaspace-first", tt.change)
		if err != nil {
			t.Fatal(name, err)
		}
		tok, err := New(f)
		if err != nil {
			t.Fatal(name, err)
		}
		start := time.Now()
		ids := tok.Append(nil, []byte(tt.text), Whole)
		tok.Decode(ids)
		took := time.Since(start)
		if t.Logf("%-20s %7d ids in %v", name, len(ids), took.Round(time.Millisecond)); took > 30*time.Second {
			t.Errorf("%s: %v for %d bytes", name, took, len(tt.text))
		}
	}
}
