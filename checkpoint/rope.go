package checkpoint

import (
	"fmt"

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

func marshalScaling(s arch.RoPEScaling) *scaling {
	out := &scaling{Type: s.Type, OldType: s.Type, Factor: s.Factor}
	switch s.Type {
	case arch.LinearRoPE, arch.DynamicRoPE:
		return out
	case arch.Llama3RoPE:
		out.Low, out.High, out.Original = s.LowFreqFactor, s.HighFreqFactor, s.OriginalContext
		return out
	}
	return nil
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

// ropeScaling is the scaling of the one of both fields that has one.
func (g *givenConfig) ropeScaling(context int) (arch.RoPEScaling, error) {
	none := arch.Default().RoPEScaling
	for _, field := range []struct {
		key string
		*ropeParameters
	}{{"rope_parameters", g.RoPE}, {"rope_scaling", g.RoPEScaling}} {
		p := field.ropeParameters
		if p == nil {
			continue
		}
		if or(p.Partial, 1) != 1 {
			return none, fmt.Errorf("%s: partial_rotary_factor (%g) is not supported", field.key, *p.Partial)
		}
		if p.kind() == "" {
			continue
		}
		s := arch.RoPEScaling{Type: arch.RoPEType(p.kind())}
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
			s.OriginalContext = or(p.Original, context)
		default:
			return none, fmt.Errorf("%s: rope scaling %q is not supported: only linear, dynamic and llama3 are", field.key, p.kind())
		}
		if missing != "" {
			return none, fmt.Errorf("%s: %s is missing, which %s needs", field.key, missing, s.Type)
		}
		return s, nil
	}
	return none, nil
}
