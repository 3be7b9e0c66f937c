package engine

// Update is an optimizer whose state and work are on a device. What it is an
// optimizer of, and how, is the device's affair and the training loop's.
type Update interface {
	// Collect enqueues that a scalar, such as the loss of a micro-batch, is kept
	// as the i-th.
	Collect(i int, scalar *Tensor)
	// Reduce enqueues that gradients become the sums of all ranks, of a device that has
	// joined them.
	Reduce()
	// Step enqueues the global norm, clipping and an update with that rate. The
	// update leaves everything as it is where the norm is not finite.
	Step(lr float64)
	// Measure enqueues the global norm alone, for a Result before the update.
	Measure()
	// Result waits for the step and returns what was collected and the norm of the
	// gradient before clipping.
	Result() (collected []float32, norm float64, err error)
	// Moments are the optimizer's state for saving and restoring.
	Moments() []Moment
	// Steps is the number of updates so far; SetSteps restores it.
	Steps() int
	SetSteps(steps int)
	Close() error
}

// Moment is a tensor of an optimizer's state, float32 or bf16.
type Moment struct {
	Name, Param string // exp_avg.NAME; the parameter that it belongs to
	Value       *Tensor
}
