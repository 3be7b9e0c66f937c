package golden

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// Cases are the names of the models in arch/testdata/llama: tied and untied
// embeddings with GQA and MHA, each layer sharing strategy, and Qwen3.
var Cases = []string{
	"tied_gqa", "untied_mha", "tied_mha", "untied_gqa",
	"immediate", "repeat_all_over", "reverse", "qk_norm",
}

// Config is the shape of a case's model. All sizes are given; the feed-forward
// network is SwiGLU and the number of layers counts those with own weights.
type Config struct {
	VocabSize      int     `json:"vocab_size"`
	Layers         int     `json:"layers"`
	Dim            int     `json:"dim"`
	Heads          int     `json:"heads"`
	KVHeads        int     `json:"kv_heads"`
	HeadDim        int     `json:"head_dim"`
	FFNDim         int     `json:"ffn_dim"`
	NormEps        float64 `json:"norm_eps"`
	RoPEBase       float64 `json:"rope_base"`
	ShareEmbedding bool    `json:"share_embedding"`
	Sharing        string  `json:"sharing"` // none, immediate, repeat_all_over or reverse
	Repeat         int     `json:"repeat"`  // 1 where Sharing is none
	QKNorm         bool    `json:"qk_norm"`
}

// Optim is the optimizer of the training losses: PyTorch's AdamW at a constant
// rate; weights of one dimension (the norms') do not decay.
type Optim struct {
	Name        string     `json:"name"`
	LR          float64    `json:"lr"`
	Betas       [2]float64 `json:"betas"`
	Eps         float64    `json:"eps"`
	WeightDecay float64    `json:"weight_decay"`
	Clip        float64    `json:"clip"` // global norm of all gradients
}

// Batch is one step's input, Batch·Seq tokens row by row. A target of −1 is not
// supervised.
type Batch struct {
	Tokens  []int32 `json:"tokens"`
	Targets []int32 `json:"targets"`
}

// Supervised counts the targets that the mean loss is taken over.
func (b Batch) Supervised() int {
	n := 0
	for _, t := range b.Targets {
		if t >= 0 {
			n++
		}
	}
	return n
}

// Case is a model with its reference numbers, computed in float32.
type Case struct {
	Name   string
	Config Config
	Optim  Optim

	Batch   int     // sequences in a batch
	Seq     int     // tokens in a sequence
	Batches []Batch // one a training step

	Names  []string             // parameters, each once, in Hugging Face's names and order
	Shapes map[string][]int     // of each parameter, [out, in] for a product
	Params map[string][]float32 // initial values

	// Logits [Batch·Seq, VocabSize], mean Loss and Grads belong to batch 0 and
	// the initial values. A shared weight's gradient is summed over its uses.
	Logits []float32
	Loss   float64
	Grads  map[string][]float32

	Losses    []float64 // mean loss of batch i before update i
	GradNorms []float64 // global norm of step i before clipping
}

// metadata is NAME.json.
type metadata struct {
	Name      string       `json:"name"`
	Config    Config       `json:"config"`
	Optim     Optim        `json:"optim"`
	Batch     int          `json:"batch"`
	Seq       int          `json:"seq"`
	Batches   []Batch      `json:"batches"`
	Loss      float64      `json:"loss"`
	Losses    []float64    `json:"losses"`
	GradNorms []float64    `json:"grad_norms"`
	Tensors   []tensorMeta `json:"tensors"`
}

type tensorMeta struct {
	Kind   string `json:"kind"` // param, grad or logits
	Name   string `json:"name"`
	Shape  []int  `json:"shape"`
	Offset int    `json:"offset"` // in elements
}

// Load reads the case dir/name.json and dir/name.bin.
func Load(dir, name string) (*Case, error) {
	path := filepath.Join(dir, name+".json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	var m metadata
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("golden: %s: %w", path, err)
	}
	path = filepath.Join(dir, name+".bin")
	data, err := readFloats(path)
	if err != nil {
		return nil, err
	}
	c := &Case{
		Name: m.Name, Config: m.Config, Optim: m.Optim,
		Batch: m.Batch, Seq: m.Seq, Batches: m.Batches,
		Loss: m.Loss, Losses: m.Losses, GradNorms: m.GradNorms,
		Shapes: map[string][]int{}, Params: map[string][]float32{}, Grads: map[string][]float32{},
	}
	for _, t := range m.Tensors {
		n := size(t.Shape)
		if t.Offset < 0 || n < 0 || t.Offset+n > len(data) {
			return nil, fmt.Errorf("golden: %s: %s %s %v at %d, file has %d elements", path, t.Kind, t.Name, t.Shape, t.Offset, len(data))
		}
		if err := c.add(t, data[t.Offset:t.Offset+n:t.Offset+n]); err != nil {
			return nil, fmt.Errorf("golden: %s: %w", path, err)
		}
	}
	return c, nil
}

func (c *Case) add(t tensorMeta, data []float32) error {
	switch t.Kind {
	case "param":
		c.Names = append(c.Names, t.Name)
		c.Shapes[t.Name] = t.Shape
		c.Params[t.Name] = data
	case "grad":
		c.Grads[t.Name] = data
	case "logits":
		c.Logits = data
	default:
		return fmt.Errorf("%s is of unknown kind %q", t.Name, t.Kind)
	}
	return nil
}

func readFloats(path string) ([]float32, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	if len(raw)%4 != 0 {
		return nil, fmt.Errorf("golden: %s has %d bytes, want a multiple of 4", path, len(raw))
	}
	data := make([]float32, len(raw)/4)
	for i := range data {
		data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return data, nil
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
