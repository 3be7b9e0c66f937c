package infer

import (
	"strings"
	"testing"

	"mobilellm/tokenizer"
)

// A text ends before the first stop string, wherever tokens cut it, and nothing of it is
// handed out that turns out to belong to one.
func TestStops(t *testing.T) {
	for _, tt := range []struct {
		text  string
		stops []string
		want  string
		ends  bool
	}{
		{"one\n\ntwo", []string{"\n\n"}, "one", true},
		{"one\ntwo\n", []string{"\n\n"}, "one\ntwo\n", false},
		{"aab", []string{"ab", "b"}, "a", true},
		{"abab!", []string{"abc", "bab!"}, "a", true},
		{"ababab", []string{"ababc"}, "ababab", false},
		{"é€", []string{"€"}, "é", true},
		{"stop", []string{"stop"}, "", true},
		{"", []string{"x"}, "", false},
		{"a\xffb", []string{"\uFFFDb"}, "a", true},
	} {
		s := newText(tokenizer.Bytes(), nil, tt.stops)
		var got strings.Builder
		ended := false
		for _, b := range []byte(tt.text) {
			text, more := s.Add(int32(b))
			got.WriteString(text)
			if !more {
				ended = true
				break
			}
		}
		got.WriteString(s.End())
		if got.String() != tt.want || ended != tt.ends {
			t.Errorf("%q with %q is %q, ended %v; want %q, %v", tt.text, tt.stops, got.String(), ended, tt.want, tt.ends)
		}
	}
}

// Control tokens are no text, wherever they stand.
func TestControlTokens(t *testing.T) {
	s := newText(tokenizer.Bytes(), map[int32]bool{256: true}, []string{"bc"})
	var got strings.Builder
	for _, id := range []int32{256, 'a', 256, 'b', 256, 'c', 'd'} {
		text, more := s.Add(id)
		got.WriteString(text)
		if !more {
			break
		}
	}
	if got.WriteString(s.End()); got.String() != "a" {
		t.Errorf("%q", got.String())
	}
}
