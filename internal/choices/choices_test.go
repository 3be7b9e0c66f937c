package choices

import "testing"

func TestOf(t *testing.T) {
	for want, names := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := Of(names); got != want {
			t.Errorf("%q gives %q, want %q", names, got, want)
		}
	}
}
