package train

// Sink takes a run's records as they are written to metrics.jsonl: [StepRecord],
// [HeldoutRecord], [TaskRecord], [SampleRecord], [LayersRecord] and, first of a run that goes on,
// [ResumeRecord].
type Sink interface {
	Write(record any) error
	// Close says whether the run made all its steps.
	Close(finished bool) error
}

// openSink attaches what follows the run. The run does without where that fails.
func (r *run) openSink() {
	if r.o.Sink == nil {
		return
	}
	r.metrics.lost = func(err error) { r.o.Progress.Note("the run goes on without what follows its metrics: %v", err) }
	sink, err := r.o.Sink(r.o.Out, &r.c)
	if err != nil {
		r.metrics.lost(err)
		return
	}
	r.metrics.sink = sink
}
