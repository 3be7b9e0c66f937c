package cli

import "testing"

func TestCount(t *testing.T) {
	for text, want := range map[string]struct {
		n     Count
		shown string
	}{
		"25M": {25e6, "25M"}, "25m": {25e6, "25M"}, "1.3B": {1.3e9, "1.3B"}, "800k": {8e5, "800k"}, "0.5M": {5e5, "500k"}, "2T": {2e12, "2T"},
		"5000000": {5e6, "5M"}, "1": {1, "1"}, "1234567": {1234567, "1.234567M"}, "999": {999, "999"}, "1e6": {1e6, "1M"},
	} {
		var c, again Count
		if err := c.Set(text); err != nil || c != want.n || c.String() != want.shown {
			t.Errorf("%s: %d, %q, %v", text, c, c.String(), err)
		}
		if err := again.Set(c.String()); err != nil || again != c {
			t.Errorf("%s: %q reads as %d, %v", text, c.String(), again, err)
		}
	}
	for _, text := range []string{"", "M", "-5M", "0", "0.4", "25MB", "NaNM", "infM", "1e20", "25 M", "x"} {
		var c Count
		if err := c.Set(text); err == nil {
			t.Errorf("%q: %d", text, c)
		}
	}
	if (*Count)(nil).String() != "" {
		t.Error("no count is shown")
	}
}
