package train

import (
	"slices"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/data"
	"mobilellm/tokenizer"
)

// growVocabulary gives the model that starts from another's weights rows for the tokens of
// data.add_tokens, and the other's shape as many.
func (r *run) growVocabulary(initial *arch.Config) error {
	if len(r.c.Data.AddTokens) == 0 {
		return nil
	}
	tok, err := r.initialTokenizer()
	if err != nil {
		return err
	}
	all, added, err := r.c.Data.WithTokens(tok)
	if err != nil {
		return err
	}
	if n := all.VocabSize(); len(added) > 0 && n > r.c.Model.VocabSize {
		r.o.Progress.Note("model.vocab_size grows from %d to %d for data.add_tokens; the new rows begin as the mean of the others", r.c.Model.VocabSize, n)
		r.c.Model.VocabSize, initial.VocabSize = n, n
		if r.trains, err = r.c.parameters(); err != nil {
			return err
		}
		r.params = r.trains.all()
	}
	return nil
}

// initialTokenizer is the one that the run will have, without tokens that it adds.
func (r *run) initialTokenizer() (*tokenizer.Tokenizer, error) {
	switch given := r.c.Data.Tokenizer; given {
	case data.TokenizerTrain:
		return r.initial.Tokenizer()
	case data.TokenizerBytes:
		return tokenizer.Bytes(), nil
	default:
		return checkpoint.OpenTokenizer(given)
	}
}

// newRows are the tokens of which the initial model has no row, or one that means nothing.
func (r *run) newRows() []int32 {
	rows := slices.Clone(r.text.Added)
	for id := r.initial.Config.VocabSize; id < r.c.Model.VocabSize; id++ {
		if !slices.Contains(rows, int32(id)) {
			rows = append(rows, int32(id))
		}
	}
	return rows
}

// withNewRows loads weights of a smaller vocabulary: rows that it lacks, and those of
// tokens that the tokenizer was given, become the mean of the rows of the others: a
// new token is then as likely as one of the model's is on average, and disturbs no other
// (Hewitt, 2021, nlp.stanford.edu/~johnhew/vocab-expansion.html).
func (r *run) withNewRows(load func([]safetensors.Tensor) error) func([]safetensors.Tensor) error {
	old, added := r.initial.Config.VocabSize, r.newRows()
	if len(added) == 0 {
		return load
	}
	return func(tensors []safetensors.Tensor) error {
		list := slices.Clone(tensors)
		byID := map[string]int{} // tensors that have a row for each id, by their length
		for i, t := range list {
			if t.Name == arch.EmbeddingName || t.Name == arch.HeadName {
				dim := t.Shape[1]
				list[i].Shape, list[i].Data = []int{old, dim}, t.Data[:old*dim]
				byID[t.Name] = dim
			}
		}
		if err := load(list); err != nil {
			return err
		}
		for _, t := range tensors {
			if dim := byID[t.Name]; dim > 0 {
				fillMean(t.Data, dim, min(old, int(slices.Min(added))), added)
			}
		}
		return nil
	}
}

// fillMean sets rows of a matrix to the mean of the first n, summed in float64.
func fillMean(matrix []float32, dim, n int, rows []int32) {
	mean := make([]float64, dim)
	for i, v := range matrix[:n*dim] {
		mean[i%dim] += float64(v)
	}
	for _, row := range rows {
		for i := range mean {
			matrix[int(row)*dim+i] = float32(mean[i] / float64(n))
		}
	}
}
