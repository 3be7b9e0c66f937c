package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mobilellm/arch"
)

// scaling is the rope_scaling of a config.json as it is written: transformers
// calls the rule rope_type, older tools type.
type scaling struct {
	Type     arch.RoPEType `json:"rope_type"`
	OldType  arch.RoPEType `json:"type"`
	Factor   float64       `json:"factor"`
	Low      float64       `json:"low_freq_factor,omitempty"`
	High     float64       `json:"high_freq_factor,omitempty"`
	Original int           `json:"original_max_position_embeddings,omitempty"`
}

// marshalScaling is nil where nothing is scaled.
func marshalScaling(s arch.RoPEScaling) (*scaling, error) {
	out := &scaling{Type: s.Type, OldType: s.Type, Factor: s.Factor}
	switch s.Type {
	case arch.PlainRoPE:
		return nil, nil
	case arch.LinearRoPE, arch.DynamicRoPE:
	case arch.Llama3RoPE:
		out.Low, out.High, out.Original = s.LowFreqFactor, s.HighFreqFactor, s.OriginalContext
	default:
		return nil, fmt.Errorf("rope scaling %q has no place in config.json", s.Type)
	}
	return out, nil
}

// ropeParameters is rope_scaling, or rope_parameters of transformers 5, as it is
// read.
type ropeParameters struct {
	Base     *float64 `json:"rope_theta"`
	Type     string   `json:"rope_type"`
	OldType  string   `json:"type"`
	Factor   *float64 `json:"factor"`
	Low      *float64 `json:"low_freq_factor"`
	High     *float64 `json:"high_freq_factor"`
	Original *int     `json:"original_max_position_embeddings"`
	Partial  *float64 `json:"partial_rotary_factor"`
}

// parseRoPE reads one of the two, nil where it is left out or says nothing.
func parseRoPE(raw json.RawMessage) (*ropeParameters, error) {
	if !given(raw) {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, errors.New("an object is expected")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name][0] == '{' {
			return nil, fmt.Errorf("%s: parameters of one kind of layer are not supported", name)
		}
	}
	if len(fields) == 0 {
		return nil, nil
	}
	p := new(ropeParameters)
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, fieldError(err)
	}
	return p, nil
}

func (p *ropeParameters) kind() string {
	kind := p.Type
	if kind == "" {
		kind = p.OldType
	}
	if kind == "default" {
		return ""
	}
	return kind
}

// rope reads the rotary embedding as transformers 5 does: from rope_scaling, or
// where that says nothing from rope_parameters. Either may hold the base, which
// otherwise stands beside them.
func (g *givenConfig) rope(context int) (base float64, s arch.RoPEScaling, err error) {
	key := "rope_scaling"
	p, err := parseRoPE(g.RoPEScaling)
	if p == nil && err == nil {
		key = "rope_parameters"
		p, err = parseRoPE(g.RoPE)
	}
	if err != nil {
		return 0, s, fmt.Errorf("%s: %w", key, err)
	}
	if p == nil {
		p = new(ropeParameters)
	}
	// transformers' LLaMA turns whole heads whatever it says, other programs a part.
	if partial := or(p.Partial, or(g.Partial, 1)); partial != 1 {
		return 0, s, fmt.Errorf("partial_rotary_factor (%g) is not supported", partial)
	}
	if s, err = p.scaling(or(g.Original, or(p.Original, context))); err != nil {
		return 0, s, fmt.Errorf("%s: %w", key, err)
	}
	return or(p.Base, or(g.RoPEBase, 10000)), s, nil
}

// scaling is the rule that p names; original is the context of llama3.
func (p *ropeParameters) scaling(original int) (s arch.RoPEScaling, err error) {
	if p.kind() == "" {
		return arch.Default().RoPEScaling, nil
	}
	s.Type = arch.RoPEType(p.kind())
	missing := ""
	need := func(key string, from *float64, to *float64) {
		if from == nil {
			missing = key
			return
		}
		*to = *from
	}
	switch s.Type {
	case arch.LinearRoPE, arch.DynamicRoPE:
		need("factor", p.Factor, &s.Factor)
	case arch.Llama3RoPE:
		need("factor", p.Factor, &s.Factor)
		need("low_freq_factor", p.Low, &s.LowFreqFactor)
		need("high_freq_factor", p.High, &s.HighFreqFactor)
		s.OriginalContext = original
	default:
		return s, fmt.Errorf("rope scaling %q is not supported: only linear, dynamic and llama3 are", p.kind())
	}
	if missing != "" {
		return s, fmt.Errorf("%s is missing, which %s needs", missing, s.Type)
	}
	return s, nil
}
