package kerneltest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mobilellm/engine/op"
	"mobilellm/internal/operations"
)

// withoutCase are the operations that no case runs. A part is no operation to an
// executor: it reads a result of one.
func withoutCase(names []string, cases []Case) []string {
	found := []string{"part"}
	for _, c := range cases {
		found = append(found, strings.TrimPrefix(fmt.Sprintf("%T", c.Op), "op."))
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(found, name) })
}

// Every operation has a case, and with it a kernel on every device.
func TestEveryOperationHasACase(t *testing.T) {
	names, err := operations.Names("../op")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 20 {
		t.Fatalf("the source has only %v", names)
	}
	for _, name := range withoutCase(names, Cases(64)) {
		t.Errorf("op.%s has no case: its kernels are compared with nothing", name)
	}
}

func TestWithoutCase(t *testing.T) {
	got := withoutCase([]string{"AddOp", "ReLUOp", "part"}, []Case{{Op: op.AddOp{}}})
	if !slices.Equal(got, []string{"ReLUOp"}) {
		t.Errorf("without a case: %v, want ReLUOp", got)
	}
}

// The types that cases ask for in bf16 are those that the operations state; a
// float32 result in place of a rounded one is what goes to the residual stream.
func TestCasesHaveTheStatedTypes(t *testing.T) {
	for _, c := range Cases(64) {
		for i, typ := range c.Out {
			if typ.Size() == 2 && !op.Rounds(c.Op, i) {
				t.Errorf("%s: part %d is %v, which %T does not state", c.Name, i, typ, c.Op)
			}
		}
	}
}
