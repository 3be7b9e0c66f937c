package train

// peaksAgain is how often a peak is measured again at most, a tenth of a second each.
const peaksAgain = 3

// utilisation is a step's share of the device's peak, from its speed in tokens/s. A peak
// that a step beats was measured while the machine had other work to do: it is measured
// again, and is at least what the step reached.
func (r *run) utilisation(speed float64) float64 {
	reached := speed * float64(r.flops)
	if reached > r.peak && r.peaks < peaksAgain {
		r.peaks++
		if peak, err := r.dev.Peak(r.choice.Precision, peakRun); err == nil { // without one the step tells
			r.peak = max(r.peak, peak)
		}
	}
	r.peak = max(r.peak, reached)
	return reached / r.peak
}
