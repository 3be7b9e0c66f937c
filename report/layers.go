package report

import (
	"fmt"

	"mobilellm/internal/jsonfloat"
	"mobilellm/train"
)

// layers are the curves of what was measured in the layers. Those of one run have a colour
// for each layer, those of several one for each run.
func (list Runs) layers() Section {
	s := Section{Title: "Layers"}
	for _, q := range []struct {
		title, unit string
		of          func(train.LayersRecord) (names []string, values []jsonfloat.Float)
	}{
		{"Update over weight", "norm over norm", layerNorms(func(l train.LayerNorms) jsonfloat.Float { return l.Ratio })},
		{"Gradients", "L2 norm, before clipping", layerNorms(func(l train.LayerNorms) jsonfloat.Float { return l.Gradient })},
		{"Weights", "L2 norm", layerNorms(func(l train.LayerNorms) jsonfloat.Float { return l.Weight })},
		{"Updates", "L2 norm", layerNorms(func(l train.LayerNorms) jsonfloat.Float { return l.Update })},
		{"Largest activation", "magnitude, by position", peaks(func(p train.PositionPeak) jsonfloat.Float { return p.Activation })},
		{"Attention's largest log-sum-exp", "of a query's logits, by position", peaks(func(p train.PositionPeak) jsonfloat.Float { return p.AttentionLSE })},
	} {
		c := &Curves{Title: q.title, Unit: q.unit, half: true}
		for i, r := range list {
			first := len(c.Lines)
			for _, record := range r.Layers {
				names, values := q.of(record)
				for k, v := range values {
					if first+k == len(c.Lines) {
						line := Line{Title: r.Name + ", " + names[k], Run: r.Name, Color: i}
						if len(list) == 1 {
							line.Name, line.Color = names[k], k
						}
						c.Lines = append(c.Lines, line)
					}
					if v.Finite() {
						c.Least = max(c.Least, float64(v)/50)
						c.Lines[first+k].Points = append(c.Lines[first+k].Points, r.at(record.Step, float64(v)))
					}
				}
			}
		}
		if f, ok := c.Figure(); ok {
			s.Figures = append(s.Figures, f)
		}
	}
	return s
}

func layerNorms(of func(train.LayerNorms) jsonfloat.Float) func(train.LayersRecord) ([]string, []jsonfloat.Float) {
	return func(r train.LayersRecord) (names []string, values []jsonfloat.Float) {
		for _, l := range r.Layers {
			names, values = append(names, l.Name), append(values, of(l))
		}
		return names, values
	}
}

func peaks(of func(train.PositionPeak) jsonfloat.Float) func(train.LayersRecord) ([]string, []jsonfloat.Float) {
	return func(r train.LayersRecord) (names []string, values []jsonfloat.Float) {
		for i, p := range r.Positions {
			names, values = append(names, fmt.Sprint(i)), append(values, of(p))
		}
		return names, values
	}
}
