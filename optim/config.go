package optim

import (
	"fmt"
	"math"
)

// The optimizers that Config.Name may hold.
const (
	NameAdamW = "adamw"
	NameAdam  = "adam"
	NameSGD   = "sgd"
)

// The schedules that Config.Schedule may hold.
const (
	ScheduleCosine   = "cosine"
	ScheduleLinear   = "linear"
	ScheduleConstant = "constant"
	ScheduleWSD      = "wsd"
)

// The types that Config.Moments may hold.
const (
	MomentsFloat32 = "float32"
	MomentsBF16    = "bf16"
)

// maxBetaBF16 is the largest decay rate of a moment in bf16. A step without
// gradient takes the share 1−β from a moment; where that is less than 1/256,
// half the distance to the bf16 below, rounding gives it all back and the moment
// never falls.
const maxBetaBF16 = 0.996

// Config is the section `optim:` of a run's configuration.
type Config struct {
	Name            string     `yaml:"name" help:"optimizer: adamw (decoupled weight decay), adam (coupled L2), sgd (with momentum) or muon (orthogonal updates of the layers' matrices, adamw for the rest)"`
	LR              float64    `yaml:"lr" help:"peak learning rate"`
	Betas           [2]float64 `yaml:"betas" help:"decay rates of Adam's first and second moment"`
	Eps             float64    `yaml:"eps" help:"added to the root of Adam's second moment"`
	WeightDecay     float64    `yaml:"weight_decay" help:"weight decay; norms are left out"`
	DecayEmbeddings bool       `yaml:"decay_embeddings" help:"whether the embedding decays too, with the head where they are one table"`
	Moments         string     `yaml:"moments" help:"type that adamw and adam keep their two moments in: float32, or bf16, which takes half the memory"`
	Momentum        float64    `yaml:"momentum" help:"momentum of sgd"`
	Muon            Muon       `yaml:"muon" help:"What muon does with the layers' matrices."`
	Shard           bool       `yaml:"shard" help:"whether each rank of a run of several keeps only its part of the moments, of whole parameters, and updates that (ZeRO's first stage)"`
	Clip            float64    `yaml:"clip" help:"largest global norm of the gradient; 0 turns clipping off"`

	Schedule      string  `yaml:"schedule" help:"course of the learning rate after the warm-up: cosine, linear, constant or wsd (warm-up, stable, decay)"`
	WarmupSteps   int     `yaml:"warmup_steps" help:"steps over which the learning rate rises linearly to its peak"`
	MinLRRatio    float64 `yaml:"min_lr_ratio" help:"learning rate of the last step as a share of the peak (cosine, linear, wsd)"`
	DecaySteps    int     `yaml:"decay_steps" help:"steps of wsd's final decay; 0 takes decay_fraction instead"`
	DecayFraction float64 `yaml:"decay_fraction" help:"share of the run that wsd's final decay takes when decay_steps is 0"`
}

// Default is the paper's recipe: AdamW at 2e-3 with weight decay 0.1, clipping
// at 1 and a cosine that ends at a tenth of the peak.
func Default() Config {
	return Config{
		Name:            NameAdamW,
		LR:              2e-3,
		Betas:           [2]float64{0.9, 0.95},
		Eps:             1e-8,
		WeightDecay:     0.1,
		DecayEmbeddings: true,
		Moments:         MomentsFloat32,
		Momentum:        0.9,
		Muon:            defaultMuon(),
		Clip:            1.0,
		Schedule:        ScheduleCosine,
		WarmupSteps:     1000,
		MinLRRatio:      0.1,
		DecayFraction:   0.1,
	}
}

// Validate reports the first field that no run can use. Its message starts
// with the field's dotted key.
func (c Config) Validate() error {
	k, err := c.kind()
	if err != nil {
		return err
	}
	switch c.Schedule {
	case ScheduleCosine, ScheduleLinear, ScheduleConstant, ScheduleWSD:
	default:
		return fmt.Errorf("optim.schedule (%q) must be cosine, linear, constant or wsd", c.Schedule)
	}
	if _, err := c.momentBytes(); err != nil {
		return err
	}
	// Each condition is written so that NaN fails it.
	for _, f := range []struct {
		key   string
		value any
		ok    bool
		must  string
	}{
		{"lr", c.LR, c.LR > 0 && !math.IsInf(c.LR, 0), "be positive"},
		{"betas[0]", c.Betas[0], c.Betas[0] >= 0 && c.Betas[0] < 1, "be at least 0 and less than 1"},
		{"betas[1]", c.Betas[1], c.Betas[1] >= 0 && c.Betas[1] < 1, "be at least 0 and less than 1"},
		{"eps", c.Eps, c.Eps > 0 && !math.IsInf(c.Eps, 0), "be positive"},
		{"weight_decay", c.WeightDecay, c.WeightDecay >= 0 && !math.IsInf(c.WeightDecay, 0), "not be negative"},
		{"momentum", c.Momentum, c.Momentum >= 0 && c.Momentum < 1, "be at least 0 and less than 1"},
		{"clip", c.Clip, c.Clip >= 0 && !math.IsInf(c.Clip, 0), "not be negative (0 turns clipping off)"},
		{"warmup_steps", c.WarmupSteps, c.WarmupSteps >= 0, "not be negative"},
		{"min_lr_ratio", c.MinLRRatio, c.MinLRRatio >= 0 && c.MinLRRatio <= 1, "be between 0 and 1"},
		{"decay_steps", c.DecaySteps, c.DecaySteps >= 0, "not be negative"},
		{"decay_fraction", c.DecayFraction, c.DecayFraction >= 0 && c.DecayFraction <= 1, "be between 0 and 1"},
	} {
		if !f.ok {
			return fmt.Errorf("optim.%s (%v) must %s", f.key, f.value, f.must)
		}
	}
	if err := c.Muon.validate(); err != nil {
		return err
	}
	if c.Moments == MomentsBF16 {
		return c.validateBF16(k)
	}
	return nil
}

// validateBF16 reports what moments in bf16 do not go with.
func (c Config) validateBF16(k kind) error {
	if !k.bf16 {
		return fmt.Errorf("optim.moments (%s) must be float32 where optim.name is %s", c.Moments, c.Name)
	}
	for i, beta := range c.Betas {
		if beta > maxBetaBF16 {
			return fmt.Errorf("optim.betas[%d] (%v) must be at most %v where optim.moments is %s: a moment would not fall", i, beta, maxBetaBF16, c.Moments)
		}
	}
	return nil
}

// Doubt says of a learning rate that it is hardly meant; it is empty for any other. Models
// of this family are trained with Adam at 1e-4 to 1e-2.
func (c Config) Doubt() string {
	most := 0.1
	if c.Name == NameSGD {
		most = 10
	}
	switch {
	case c.LR > most:
		return fmt.Sprintf("optim.lr (%g) is so high that the loss will hardly fall: rates for %s are at most %g", c.LR, c.Name, most)
	case c.LR < 1e-7:
		return fmt.Sprintf("optim.lr (%g) is so low that the weights will hardly change", c.LR)
	}
	return ""
}
