package chars

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// Space is \s, White_Space: what is stripped around added tokens and by Strip, too.
func Space() *Set {
	return Of(Range{'\t', '\r'}, Range{' ', ' '}, Range{0x85, 0x85}, Range{0xa0, 0xa0}, Range{0x1680, 0x1680},
		Range{0x2000, 0x200a}, Range{0x2028, 0x2029}, Range{0x202f, 0x202f}, Range{0x205f, 0x205f}, Range{0x3000, 0x3000})
}

// Word is \w outside a class, and what \b looks at.
func Word() *Set {
	return Union(named(classes, "word"), Of(Range{'²', '³'}, Range{'¹', '¹'}, Range{'¼', '¾'}))
}

// ClassWord is \w within a class, where the fractions and small digits of Latin-1 are
// none of it.
func ClassWord() *Set { return named(classes, "word") }

// Digit is \d.
func Digit() *Set { return Category("Nd") }

// HexDigit is \h.
func HexDigit() *Set { return Of(Range{'0', '9'}, Range{'a', 'f'}, Range{'A', 'F'}) }

// Category is a general category such as Lu, or all of a letter's such as L; nil for
// none.
func Category(name string) *Set {
	if name == "LC" {
		return Union(Category("Lu"), Category("Ll"), Category("Lt"))
	}
	if s := named(categories, name); s != nil {
		return s
	}
	if len(name) != 1 || !strings.Contains("LMNPSZC", name) {
		return nil
	}
	var all []*Set
	for sub := range categories {
		if sub[:1] == name {
			all = append(all, named(categories, sub))
		}
	}
	return Union(all...)
}

// longCategories are the other names of general categories.
var longCategories = map[string]string{
	"letter": "L", "cased_letter": "LC", "uppercase_letter": "Lu", "lowercase_letter": "Ll", "titlecase_letter": "Lt",
	"modifier_letter": "Lm", "other_letter": "Lo", "mark": "M", "combining_mark": "M", "nonspacing_mark": "Mn",
	"spacing_mark": "Mc", "enclosing_mark": "Me", "number": "N", "decimal_number": "Nd", "letter_number": "Nl",
	"other_number": "No", "punctuation": "P", "punct": "P", "connector_punctuation": "Pc", "dash_punctuation": "Pd",
	"open_punctuation": "Ps", "close_punctuation": "Pe", "initial_punctuation": "Pi", "final_punctuation": "Pf",
	"other_punctuation": "Po", "symbol": "S", "math_symbol": "Sm", "currency_symbol": "Sc", "modifier_symbol": "Sk",
	"other_symbol": "So", "separator": "Z", "space_separator": "Zs", "line_separator": "Zl", "paragraph_separator": "Zp",
	"other": "C", "control": "Cc", "cntrl": "Cc", "format": "Cf", "private_use": "Co", "unassigned": "Cn", "digit": "Nd",
}

// Posix is a class like [:alpha:], nil for none.
func Posix(name string) *Set {
	switch name {
	case "alpha", "upper", "lower", "word":
		return named(classes, name)
	case "alnum":
		return Union(named(classes, "alpha"), Digit())
	case "digit":
		return Digit()
	case "punct":
		return Union(Category("P"), Category("S"))
	case "space":
		return Space()
	case "blank":
		return Union(Category("Zs"), Of(Range{'\t', '\t'}))
	case "cntrl":
		return Category("Cc")
	case "graph":
		return Union(Space(), Category("Cc"), Category("Cn")).Not()
	case "print":
		return Union(Posix("graph"), Category("Zs"))
	case "xdigit":
		return HexDigit()
	case "ascii":
		return Of(Range{0, 0x7f})
	}
	return nil
}

// Property is what \p{name} stands for: a general category, a script, a POSIX class, or
// one of a few others; nil for what is not known here. Case, blanks, hyphens and
// underscores of a name do not count.
func Property(name string) *Set {
	name = plainName(name)
	if s, ok := asked.Load(name); ok {
		return s.(*Set)
	}
	of, ok := properties()[name]
	if !ok {
		return nil
	}
	s, _ := asked.LoadOrStore(name, of())
	return s.(*Set)
}

// asked keeps the properties that were asked for.
var asked sync.Map

func plainName(name string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '_' {
			return -1
		}
		return r
	}, name))
}

// properties are the ways to each set by name.
var properties = sync.OnceValue(func() map[string]func() *Set {
	all := map[string]func() *Set{
		"any":      func() *Set { return Of(Range{0, utf8.MaxRune}) },
		"assigned": func() *Set { return Category("Cn").Not() },
	}
	for long, posix := range map[string]string{
		"alphabetic": "alpha", "uppercase": "upper", "lowercase": "lower", "whitespace": "space", "posixpunct": "punct",
		"alpha": "alpha", "upper": "upper", "lower": "lower", "alnum": "alnum", "space": "space", "blank": "blank",
		"graph": "graph", "print": "print", "xdigit": "xdigit", "ascii": "ascii", "word": "word",
	} {
		all[long] = func() *Set { return Posix(posix) }
	}
	for script := range scripts {
		all[plainName(script)] = func() *Set { return named(scripts, script) }
	}
	for long, short := range longCategories {
		all[plainName(long)] = func() *Set { return Category(short) }
		all[plainName(short)] = func() *Set { return Category(short) }
	}
	for category := range categories {
		all[plainName(category)] = func() *Set { return Category(category) }
	}
	return all
})
