// Package kerneltest compares a device's kernels with the plain versions of the
// operations: every operation, shapes that fill neither vector nor tile, both
// precisions, results that nobody reads, sums that add to what is there. Every
// device passes the same table.
//
//	for _, c := range kerneltest.Cases(512) {
//		t.Run(c.Name, func(t *testing.T) { c.Run(t, dev, engine.PrecisionBF16) })
//	}
package kerneltest
