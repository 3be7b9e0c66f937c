package engine

import (
	"strings"
	"testing"

	"mobilellm/engine/op"
)

// A table compiles what is registered, and names what is not.
func TestKernels(t *testing.T) {
	table := NewKernels[int]("the abacus")
	var got op.RMSNormOp
	Register(table, func(_ int, _ *Instr, o op.RMSNormOp) (Kernel, error) {
		got = o
		return nil, nil
	})
	if _, err := table.Compile(1, &Instr{Op: op.RMSNormOp{Eps: 0.5}}); err != nil || got.Eps != 0.5 {
		t.Errorf("compiled %+v, %v", got, err)
	}
	if _, err := table.Compile(1, &Instr{Op: op.AddOp{}}); err == nil || err.Error() != "the abacus has no kernel for op.AddOp" {
		t.Errorf("without a kernel: %v", err)
	}
	defer func() {
		if r, _ := recover().(string); !strings.Contains(r, "two kernels for op.RMSNormOp") {
			t.Errorf("a second kernel: %q", r)
		}
	}()
	Register(table, func(int, *Instr, op.RMSNormOp) (Kernel, error) { return nil, nil })
}
