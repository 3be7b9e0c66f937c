package engine

import "fmt"

// CheckIDs is an error that names the first id which a vocabulary of ids from 0 on
// does not have. Kernels take ids for rows of a table without looking: one outside
// reads or writes other memory.
func CheckIDs(ids []int32, vocab int) error {
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("token %d is not in the vocabulary of %d, at place %d", id, vocab, i)
		}
	}
	return nil
}

// WriteIDs is Write of token ids, all of which a vocabulary must have.
func WriteIDs(t *Tensor, ids []int32, vocab int) error {
	if err := CheckIDs(ids, vocab); err != nil {
		return fmt.Errorf("engine: %s: %w", t.Name, err)
	}
	return Write(t, ids)
}

// WriteTargets is Write of the ids that a model is to predict, negative ones where a
// token is not supervised.
func WriteTargets(t *Tensor, targets []int32, vocab int) error {
	for i, id := range targets {
		if int(id) >= vocab {
			return fmt.Errorf("engine: %s: target %d is not in the vocabulary of %d, at place %d", t.Name, id, vocab, i)
		}
	}
	return Write(t, targets)
}
