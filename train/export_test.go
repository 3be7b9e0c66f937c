package train

import "testing"

// What the tests use that import packages which import this one.
var (
	Tiny        = tiny
	TinyTeacher = tinyTeacher
	Train       = train
)

// StepLosses are those of a run's steps.
func StepLosses(t *testing.T, c RunConfig, o Options) (list []float64) {
	t.Helper()
	out, _ := train(t, c, o)
	for _, s := range steps(t, out) {
		list = append(list, s.Loss)
	}
	return list
}
