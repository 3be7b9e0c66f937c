package export

import (
	"fmt"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
)

// CheckAdapter reports where an adapter is not one of the model.
func (m *Model) CheckAdapter(a *checkpoint.Adapter) error {
	if err := a.Check(m.Config); err != nil || a.BaseFingerprint == "" {
		return err
	}
	have, err := m.fingerprint()
	if err == nil && have != a.BaseFingerprint {
		err = a.OtherBase("the model", have)
	}
	return err
}

func (m *Model) fingerprint() (string, error) {
	return checkpoint.Fingerprint(m.Config, func(name string, dst []float32, _ []int) error {
		copy(dst, m.Weights[name])
		return nil
	})
}

// Merge adds an adapter to the weights: W + scale·B·A.
func (m *Model) Merge(a *checkpoint.Adapter) error {
	if err := m.CheckAdapter(a); err != nil {
		return err
	}
	for _, p := range m.Config.Parameters() {
		a.Merge(p.Name, 0, m.Weights[p.Name])
	}
	return nil
}

// UnrolledAdapter is an adapter of the model as one of what [Model.Unrolled] returns: each
// position of the schedule has the factors of its layer.
func (m *Model) UnrolledAdapter(a *checkpoint.Adapter) (*Model, checkpoint.AdapterContents, error) {
	c := checkpoint.AdapterContents{LoRA: a.LoRA, Base: a.Base}
	if err := m.CheckAdapter(a); err != nil {
		return nil, c, err
	}
	u, err := m.Unrolled()
	if err != nil {
		return nil, c, err
	}
	if c.BaseFingerprint, err = u.fingerprint(); err != nil {
		return nil, c, err
	}
	schedule, factors := m.Config.Schedule(), map[string]safetensors.Tensor{}
	for _, t := range a.Tensors() {
		factors[t.Name] = t
	}
	for _, p := range u.Config.Parameters() {
		if p.Layer < 0 || len(p.Shape) != 2 {
			continue
		}
		from := arch.LayerParameterName(layerPart(p), schedule.Layer(p.Layer))
		for _, f := range []arch.Adapter{arch.AdapterA, arch.AdapterB} {
			if t, ok := factors[arch.AdapterName(from, f)]; ok {
				t.Name = arch.AdapterName(p.Name, f)
				c.Tensors = append(c.Tensors, t)
			}
		}
	}
	if len(c.Tensors) == 0 {
		return nil, c, fmt.Errorf("adapter %s adapts nothing", a.Path)
	}
	if u != m {
		c.Base = "" // it is of the unrolled model, wherever that lies
		c.LoRA.Targets = nil
	}
	return u, c, nil
}
