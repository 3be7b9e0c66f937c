package chars

import (
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestSet(t *testing.T) {
	a, b := Of(Range{'a', 'f'}, Range{'é', 'é'}, Range{'g', 'h'}), Of(Range{'e', 'z'}, Range{'日', '本'})
	for name, tt := range map[string]struct {
		set  *Set
		want []Range
	}{
		"touching": {a, []Range{{'a', 'h'}, {'é', 'é'}}},
		"union":    {Union(a, b), []Range{{'a', 'z'}, {'é', 'é'}, {'日', '本'}}},
		"and":      {a.And(b), []Range{{'e', 'h'}}},
		"not":      {a.Not(), []Range{{0, 'a' - 1}, {'i', 'é' - 1}, {'é' + 1, utf8.MaxRune}}},
		"not not":  {a.Not().Not(), []Range{{'a', 'h'}, {'é', 'é'}}},
		"nothing":  {a.And(a.Not()), nil},
	} {
		if !slices.Equal(tt.set.Ranges(), tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.set.Ranges(), tt.want)
		}
		for _, r := range []rune{0, 'a', 'h', 'i', 'z', 0x7f, 0x80, 'é', '日', utf8.MaxRune} {
			in := slices.ContainsFunc(tt.want, func(w Range) bool { return w.Lo <= r && r <= w.Hi })
			if tt.set.Has(r) != in {
				t.Errorf("%s: %q is in the set: %v, want %v", name, r, !in, in)
			}
		}
	}
}

// Every character has one category, and package unicode, of whatever version, agrees on
// those of Unicode 9.
func TestCategories(t *testing.T) {
	size := 0
	for name := range categories {
		for _, r := range Category(name).Ranges() {
			size += int(r.Hi-r.Lo) + 1
		}
	}
	if want := int(utf8.MaxRune) + 1 - 0x800; size != want {
		t.Errorf("%d characters have a category, want %d", size, want)
	}
	for _, name := range []string{"L", "Lu", "Mn", "N", "P", "Zs", "So"} {
		set := Category(name)
		for r := rune(0); r < 0x3000; r++ {
			if Category("Cn").Has(r) || Newer().Has(r) {
				continue
			}
			if want := unicode.Is(unicode.Categories[name], r); want && !set.Has(r) {
				t.Errorf("%s: %U is missing", name, r)
			}
		}
	}
}

func TestProperty(t *testing.T) {
	for name, in := range map[string]string{
		"L": "aÉ日\u1c89", "Lu": "AÉ", "lowercase letter": "aß", "Uppercase_Letter": "A", "Han": "漢", "hiragana": "ひ",
		"Old Italic": "\U00010300", "Alpha": "aⅧⓐ", "Punct": ".¿", "PosixPunct": "$.+", "Any": "a\x00", "Assigned": "a", "P": "-_", "LC": "aAǅ",
		"Garay": "\U00010d50", "N": "1²Ⅷ", "White_Space": " \u3000",
	} {
		set := Property(name)
		if set == nil {
			t.Errorf("%s is not known", name)
			continue
		}
		for _, r := range in {
			if !set.Has(r) {
				t.Errorf("%s lacks %q", name, r)
			}
		}
		if name != "Any" && set.Has('\u0378') {
			t.Errorf("%s has an unassigned character", name)
		}
	}
	for _, name := range []string{"", "Nope", "Emoji", "InBasicLatin", "Script=Han", "L&"} {
		if Property(name) != nil {
			t.Errorf("%q is known", name)
		}
	}
}

func TestFold(t *testing.T) {
	of := func(s string) *Set {
		var all []Range
		for _, r := range s {
			all = append(all, Range{r, r})
		}
		return Of(all...)
	}
	for in, want := range map[string]string{"s": "Ss\u017f", "K": "Kk\u212a", "ω": "\u03a9ω\u2126", "1": "1", "\u1c8a": "\u1c89\u1c8a", "\u0264": "\u0264\ua7cb", "é": "Éé"} {
		if got := of(in).Fold(); !slices.Equal(got.Ranges(), of(want).Ranges()) {
			t.Errorf("%s: %v, want %s", in, got.Ranges(), want)
		}
	}
	if r, ok := Category("Ll").LongFold(); !ok || r != 'ß' {
		t.Errorf("%q, %v", r, ok)
	}
	if _, ok := of("as'").LongFold(); ok {
		t.Error("a, s and ' are one letter each")
	}
	for pair, want := range map[string]rune{"ss": 'ß', "sS": 'ß', "st": 'ﬅ', "fi": 'ﬁ', "ab": 0, "'s": 0, "ll": 0} {
		if r, ok := OfLongFold(rune(pair[0]), rune(pair[1])); r != want || ok != (want != 0) {
			t.Errorf("%s: %q, %v", pair, r, ok)
		}
	}
}

func TestLower(t *testing.T) {
	for r, want := range map[rune]rune{'A': 'a', 'É': 'é', 'Σ': 'σ', 'ǅ': 'ǆ', 'a': 'a', 'ß': 'ß', 'ẞ': 'ß', 'K': 'k', 'Ⅷ': 'ⅷ', '\ua7ce': '\ua7cf', '日': '日', DottedI: DottedI} {
		if got := Lower(r); got != want {
			t.Errorf("%c: %c, want %c", r, got, want)
		}
	}
}

func TestCluster(t *testing.T) {
	for text, want := range map[string]int{
		"ab": 1, "e\u0301\u0323x": 5, "\r\nx": 2, "\n\u0301": 1, "\u0600a": 3, "한글": 3, "\u1112\u1161\u11abx": 9, "\u0301a": 2,
		"©\u200d©a": 7, "a\u200d©": 4, "क्षx": 9, "क\u200c्षx": 9, "\xff\u0301": 3, "ก็x": 6, "क": 3,
	} {
		if got := Cluster([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
