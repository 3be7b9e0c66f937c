package engine

import (
	"strings"
	"testing"
	"unsafe"
)

// What is no id of the vocabulary never gets into a program's memory.
func TestWriteIDs(t *testing.T) {
	for _, c := range []struct {
		name    string
		ids     []int32
		tokens  string // error as tokens, empty for none
		targets string
	}{
		{"all", []int32{0, 9, 5}, "", ""},
		{"V", []int32{0, 10, 5}, "tokens: token 10 is not in the vocabulary of 10, at place 1", "tokens: target 10 is not in the vocabulary of 10, at place 1"},
		{"far", []int32{0, 1, 1<<31 - 1}, "token 2147483647 is not in the vocabulary of 10, at place 2", "target 2147483647 is not"},
		{"not supervised", []int32{0, -1, 5}, "token -1 is not", ""},
		{"negative", []int32{-1 << 31, 1, 5}, "token -2147483648 is not", ""},
	} {
		for _, write := range []struct {
			f    func(*Tensor, []int32, int) error
			want string
		}{{WriteIDs, c.tokens}, {WriteTargets, c.targets}} {
			memory := []int32{7, 7, 7}
			to := View(unsafe.Pointer(&memory[0]), I32, 3)
			to.Name = "tokens"
			err := write.f(to, c.ids, 10)
			if write.want == "" {
				if err != nil || memory[0] != c.ids[0] || memory[2] != c.ids[2] {
					t.Errorf("%s: %v, wrote %v", c.name, err, memory)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), write.want) || memory[0] != 7 {
				t.Errorf("%s: %v, wrote %v; want %q", c.name, err, memory, write.want)
			}
		}
	}
}
