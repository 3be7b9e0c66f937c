package op

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mobilellm/internal/operations"
)

// TestEveryOperationHasAnExample holds the list that the hash tests walk to the
// source.
func TestEveryOperationHasAnExample(t *testing.T) {
	want, err := operations.Names(".")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, o := range examples {
		listed = append(listed, strings.TrimPrefix(fmt.Sprintf("%T", o), "op."))
	}
	slices.Sort(listed)
	if !slices.Equal(listed, want) {
		t.Errorf("there are examples of %v, the source has %v", listed, want)
	}
}
