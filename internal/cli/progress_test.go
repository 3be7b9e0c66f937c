package cli

import (
	"testing"
	"time"
)

func TestShare(t *testing.T) {
	for _, tt := range []struct {
		done, total int64
		want        string
	}{
		{5, 0, ""},
		{0, 10, " 0 %,"},
		{25, 100, " 25 %, 3m0s left,"},
		{100, 100, " 100 %,"},
		{120, 100, " 100 %,"},
	} {
		if got := share(tt.done, tt.total, time.Minute); got != tt.want {
			t.Errorf("%d of %d: %q, want %q", tt.done, tt.total, got, tt.want)
		}
	}
}
