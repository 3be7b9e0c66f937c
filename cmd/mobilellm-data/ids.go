package main

import (
	"fmt"
	"strconv"
	"strings"
)

// parseIDs appends the ids of a line.
func parseIDs(dst []int32, line string, vocab int) ([]int32, error) {
	for field := range strings.FieldsSeq(line) {
		id, err := strconv.ParseInt(field, 10, 32)
		if err != nil {
			return dst, fmt.Errorf("%q is no id", field)
		}
		if id < 0 || id >= int64(vocab) {
			return dst, fmt.Errorf("id %d is outside the vocabulary of %d", id, vocab)
		}
		dst = append(dst, int32(id))
	}
	return dst, nil
}
