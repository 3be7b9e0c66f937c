package train

import (
	"slices"
	"testing"

	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
)

// A batch with an id that the model has no row for ends in an error, not in other
// memory, whatever corpus it comes from.
func TestBatchOfForeignIDs(t *testing.T) {
	c := tiny(t)
	dev, err := device.Open("cpu", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	w, err := newWeights(dev, c.Model.Parameters(), engine.WeightOptions{Gradients: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	training, err := compileTraining(&c, 2, w, dev, engine.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer training.close()
	scoring, err := compileScoring(&c, 2, w, dev, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer scoring.close()
	teacher, err := newTeacher(c.Model, 2, c.Data.Seq, 0, dev, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer teacher.close()
	n := 4 * c.Data.Seq
	good := data.Batch{Rows: 4, Seq: c.Data.Seq, Inputs: make([]int32, n), Targets: slices.Repeat([]int32{data.Ignored}, n), Tokens: 1}
	if _, err := training.run(&good, 2, 1); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int32{257, 1 << 30, -1} {
		b := good
		b.Inputs = slices.Clone(good.Inputs)
		b.Inputs[n-3] = id
		for name, p := range map[string]*program{"training": training, "scoring": scoring} {
			_, err := p.run(&b, 2, 1)
			checkError(t, err, "is not in the vocabulary of 257, at place 61")
			if _, err := p.run(&b, 0, 1); err != nil { // not in these rows
				t.Errorf("%s, id %d: %v", name, id, err)
			}
		}
		checkError(t, teacher.run(&b, 2), "teacher: ", "is not in the vocabulary of 257")
		b = good
		b.Targets = slices.Clone(good.Targets)
		b.Targets[n-1] = id
		_, err := training.run(&b, 2, 1)
		if id < 0 && err != nil {
			t.Error(err)
		}
		if id > 0 {
			checkError(t, err, "target ", "is not in the vocabulary of 257, at place 63")
		}
	}
}
