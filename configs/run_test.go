package configs

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// testRun is a struct like those of the commands: sections that check themselves,
// types that decode themselves, lists, arrays, a pointer and a map.
type testRun struct {
	Model      testModel      `yaml:"model" help:"Shape of the model."`
	Data       testData       `yaml:"data" help:"Text to learn from."`
	Optim      testOptim      `yaml:"optim" help:"Optimizer and schedule."`
	Train      testTrain      `yaml:"train"`
	Eval       testEval       `yaml:"eval"`
	Checkpoint testCheckpoint `yaml:"checkpoint"`
	Device     string         `yaml:"device" help:"Where to run: auto, cpu or cuda."`
	Distil     *testDistil    `yaml:"distil" help:"Teacher to learn from."`
	Note       map[string]int `yaml:"note" help:"Numbers to keep with the run."`
	Ignored    string         `yaml:"-"`
}

type testModel struct {
	VocabSize      int         `yaml:"vocab_size" help:"Tokens in the vocabulary."`
	Layers         int         `yaml:"layers" help:"Layers with weights of their own."`
	Dim            int         `yaml:"dim"`
	Heads          int         `yaml:"heads"`
	KVHeads        int         `yaml:"kv_heads"`
	FFN            testFFN     `yaml:"ffn" help:"swiglu or relu."`
	FFNDim         int         `yaml:"ffn_dim"`
	Context        int         `yaml:"context"`
	ShareEmbedding bool        `yaml:"share_embedding"`
	LayerSharing   testSharing `yaml:"layer_sharing" help:"Layers that run more than once."`
	RoPEBase       float64     `yaml:"rope_base"`
	NormEps        float64     `yaml:"norm_eps"`
	InitStd        float64     `yaml:"init_std" help:"Standard deviation of the initial weights."`
}

type testSharing struct {
	Strategy string `yaml:"strategy"`
	Repeat   uint8  `yaml:"repeat" help:"Times that each layer runs."`
}

type testFFN string

func (f *testFFN) UnmarshalYAML(node *yaml.Node) error {
	if node.Value != "swiglu" && node.Value != "relu" {
		return fmt.Errorf("unknown ffn %q: choose swiglu or relu", node.Value)
	}
	*f = testFFN(node.Value)
	return nil
}

type testData struct {
	Train     []testSource `yaml:"train" help:"Files, folders or patterns."`
	Heldout   []string     `yaml:"heldout"`
	Tokenizer string       `yaml:"tokenizer" help:"PATH, bytes or train."`
	Seq       int          `yaml:"seq"`
	Mix       []testPart   `yaml:"mix"`
}

// testSource is a path, or a path with a weight.
type testSource struct {
	Path   string  `yaml:"path"`
	Weight float64 `yaml:"weight"`
}

func (s *testSource) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*s = testSource{Path: node.Value, Weight: 1}
		return nil
	}
	type plain testSource
	return node.Decode((*plain)(s))
}

type testPart struct {
	Name  string  `yaml:"name"`
	Share float32 `yaml:"share"`
}

type testOptim struct {
	Name        string     `yaml:"name"`
	LR          float64    `yaml:"lr" help:"Peak learning rate."`
	Betas       [2]float64 `yaml:"betas"`
	Eps         float64    `yaml:"eps"`
	WeightDecay float64    `yaml:"weight_decay"`
	Moments     string     `yaml:"moments"`
	Clip        float64    `yaml:"clip"`
	Schedule    string     `yaml:"schedule"`
	WarmupSteps int        `yaml:"warmup_steps"`
	MinLRRatio  float64    `yaml:"min_lr_ratio"`
}

type testTrain struct {
	Steps      int       `yaml:"steps" help:"Updates of the weights."`
	Batch      int       `yaml:"batch"`
	MicroBatch testMicro `yaml:"micro_batch" help:"Sequences at once, or auto."`
	Precision  string    `yaml:"precision"`
	Recompute  string    `yaml:"recompute"`
	Seed       uint64    `yaml:"seed"`
}

// testMicro is a number or, as 0, auto.
type testMicro int

func (m *testMicro) UnmarshalYAML(node *yaml.Node) error {
	if node.Value == "auto" {
		*m = 0
		return nil
	}
	n, err := strconv.Atoi(node.Value)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is neither auto nor a positive integer", node.Value)
	}
	*m = testMicro(n)
	return nil
}

func (m testMicro) MarshalYAML() (any, error) {
	if m == 0 {
		return "auto", nil
	}
	return int(m), nil
}

type testEval struct {
	Every int `yaml:"every"`
}

type testCheckpoint struct {
	Every   int           `yaml:"every"`
	Keep    int           `yaml:"keep"`
	Timeout time.Duration `yaml:"timeout"`
}

type testDistil struct {
	Teacher     string  `yaml:"teacher"`
	Temperature float64 `yaml:"temperature"`
}

func testDefaults() testRun {
	return testRun{
		Model: testModel{
			VocabSize: 32000, Layers: 30, Dim: 576, Heads: 9, KVHeads: 3, FFN: "swiglu", Context: 2048,
			ShareEmbedding: true, LayerSharing: testSharing{"none", 2}, RoPEBase: 10000, NormEps: 1e-5, InitStd: 0.02,
		},
		Data: testData{Tokenizer: "train", Seq: 2048},
		Optim: testOptim{
			Name: "adamw", LR: 2e-3, Betas: [2]float64{0.9, 0.95}, Eps: 1e-8, WeightDecay: 0.1, Clip: 1,
			Schedule: "cosine", WarmupSteps: 1000, MinLRRatio: 0.1,
		},
		Train:      testTrain{Steps: 20000, Batch: 64, Precision: "auto", Recompute: "none", Seed: 1},
		Eval:       testEval{1000},
		Checkpoint: testCheckpoint{1000, 3, 15 * time.Minute},
		Device:     "auto",
	}
}

func (r *testRun) Validate() error {
	var errs []error
	if r.Model.Layers <= 0 {
		errs = append(errs, fmt.Errorf("model.layers (%d) must be positive", r.Model.Layers))
	}
	if r.Model.Heads > 0 && r.Model.Dim%r.Model.Heads != 0 {
		errs = append(errs, fmt.Errorf("model.dim (%d) must be divisible by model.heads (%d)", r.Model.Dim, r.Model.Heads))
	}
	if r.Data.Seq > r.Model.Context {
		errs = append(errs, fmt.Errorf("data.seq (%d) must be at most model.context (%d)", r.Data.Seq, r.Model.Context))
	}
	if r.Train.Precision == "half" && r.Device == "cpu" {
		errs = append(errs, errors.New("no device computes in half precision"))
	}
	return errors.Join(errs...)
}
