package data

// Ignored is the target of a position that is not supervised.
const Ignored = -1

// Batch is the input of one step.
type Batch struct {
	Step    int64
	Epoch   int64 // of the first row
	Rows    int
	Row     int // of the step's, the number of the first
	Seq     int
	Inputs  []int32 // Rows × Seq, row by row: ids
	Targets []int32 // Rows × Seq: the ids that follow, Ignored where not supervised
	Tokens  int     // supervised positions
	Length  int     // positions that are no filling
	// Docs is the number of each position's document in its row, from 0, in
	// Rows × Seq; nil where it was not asked for.
	Docs []int32
	// Sources is the number of the source that each position's target is from, in
	// Rows × Seq, by the corpus's Sources; nil where it has one.
	Sources []int32
	// TopIDs and TopLogP are what a teacher stored of each position, k numbers
	// each, in Rows × Seq × k; nil without a teacher. Positions that are not
	// supervised may hold anything.
	TopIDs  []int32
	TopLogP []float32

	free chan<- *Batch
	err  error // why it could not be prepared
}

func newBatch(rows, seq int) *Batch {
	return &Batch{Rows: rows, Seq: seq, Inputs: make([]int32, rows*seq), Targets: make([]int32, rows*seq)}
}

// row returns the inputs and targets of one row.
func (b *Batch) row(i int) (inputs, targets []int32) {
	return b.Inputs[i*b.Seq : (i+1)*b.Seq], b.Targets[i*b.Seq : (i+1)*b.Seq]
}

// Release gives the batch's memory back to its loader; the batch must not be
// used after. Batches of a [Heldout] need no release.
func (b *Batch) Release() {
	if b.free == nil {
		return
	}
	select {
	case b.free <- b:
	default:
		panic("data: batch released twice")
	}
}
