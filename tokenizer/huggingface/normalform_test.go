package huggingface

import "testing"

// A mark that is younger than the library's tables keeps its place among others.
func TestNewerMarks(t *testing.T) {
	for name, form := range normalForms {
		for _, text := range []string{"\u1112\u1df6\u0591", "\u07fd\u093c"} {
			if got := string(form.apply([]byte(text))); got != text {
				t.Errorf("%s: %+q became %+q", name, text, got)
			}
		}
	}
}
