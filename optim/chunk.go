package optim

// chunkSize is the number of elements that a worker handles at a time. It
// bounds the imbalance between workers to a few tens of microseconds, and,
// being fixed, it makes the order of every sum a matter of the parameters
// alone, not of the workers.
const chunkSize = 64 << 10

// chunk is the part [lo, hi) of one parameter's elements.
type chunk struct{ param, lo, hi int }

// appendChunks cuts the parameters into chunks and appends them to dst.
func appendChunks(dst []chunk, params []Param) []chunk {
	for i, p := range params {
		for lo := 0; lo < len(p.Value); lo += chunkSize {
			dst = append(dst, chunk{i, lo, min(lo+chunkSize, len(p.Value))})
		}
	}
	return dst
}
