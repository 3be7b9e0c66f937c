package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/regular"
)

// The files of an adapter, as PEFT has them.
const (
	AdapterConfigFile  = "adapter_config.json"
	AdapterWeightsFile = "adapter_model.safetensors"
)

const (
	// adapterPrefix begins PEFT's names of tensors, before Hugging Face's.
	adapterPrefix = "base_model.model."
	// fingerprintKey is the metadata of an adapter's weights that tells its base.
	fingerprintKey = "base_fingerprint"
)

// Adapter is a low-rank adapter in memory, from PEFT's files.
type Adapter struct {
	Path string // of its folder
	LoRA arch.LoRA
	Base string // path or name of the model that it was trained on; empty where it does not say
	// BaseFingerprint is that model's, see [Fingerprint]; empty where it is not known.
	BaseFingerprint string

	tensors map[string]safetensors.Tensor // by the name that [arch.AdapterName] gives
}

// adapterConfig is adapter_config.json, the fields that this program writes. Fields that
// change what an adapter computes, and that it does not know how to, are refused.
type adapterConfig struct {
	Alpha        float64  `json:"lora_alpha"`
	AutoMapping  any      `json:"auto_mapping"`
	Base         string   `json:"base_model_name_or_path"`
	Bias         string   `json:"bias"`
	FanInFanOut  bool     `json:"fan_in_fan_out"`
	Inference    bool     `json:"inference_mode"`
	InitWeights  bool     `json:"init_lora_weights"`
	Dropout      float64  `json:"lora_dropout"`
	ToSave       any      `json:"modules_to_save"`
	Type         string   `json:"peft_type"`
	Rank         int      `json:"r"`
	AlphaPattern struct{} `json:"alpha_pattern"`
	RankPattern  struct{} `json:"rank_pattern"`
	Targets      []string `json:"target_modules"`
	Task         string   `json:"task_type"`
	UseDoRA      bool     `json:"use_dora"`
	UseRSLoRA    bool     `json:"use_rslora"`
}

// plainFields are the fields of adapter_config.json that may say what they like: they are
// read, or change nothing of what a trained adapter computes.
var plainFields = []string{
	"lora_alpha", "r", "lora_dropout", "target_modules", "use_rslora", "peft_type", "base_model_name_or_path",
	"auto_mapping", "peft_version", "revision", "inference_mode", "task_type", "exclude_modules", "layers_to_transform",
	"layers_pattern", "megatron_config", "megatron_core", "loftq_config", "eva_config", "corda_config", "lora_ga_config",
	"runtime_config", "qalora_group_size", "ensure_weight_tying",
}

// initKinds are the values of init_lora_weights that leave the base's weights as they are.
var initKinds = []string{"true", "false", `"gaussian"`, `"eva"`, `"orthogonal"`}

// parseAdapterConfig reads adapter_config.json.
func parseAdapterConfig(raw []byte) (l arch.LoRA, base string, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return l, "", err
	}
	var c struct {
		Rank    *int     `json:"r"`
		Alpha   *float64 `json:"lora_alpha"`
		Dropout float64  `json:"lora_dropout"`
		RSLoRA  bool     `json:"use_rslora"`
		Type    string   `json:"peft_type"`
		Base    *string  `json:"base_model_name_or_path"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return l, "", err
	}
	if c.Type != "LORA" {
		return l, "", fmt.Errorf("peft_type (%q) is not supported: LORA is", c.Type)
	}
	if c.Rank == nil || c.Alpha == nil {
		return l, "", errors.New("r or lora_alpha is missing")
	}
	if err := unsupported(fields); err != nil {
		return l, "", err
	}
	l = arch.LoRA{Rank: *c.Rank, Alpha: *c.Alpha, Dropout: c.Dropout, RSLoRA: c.RSLoRA}
	if l.Rank < 1 {
		return l, "", fmt.Errorf("r (%d) must be 1 or more", l.Rank)
	}
	if !(l.Alpha > 0) || math.IsInf(l.Alpha, 0) {
		return l, "", fmt.Errorf("lora_alpha (%g) must be a positive number", l.Alpha)
	}
	if raw, ok := fields["target_modules"]; ok && json.Unmarshal(raw, &l.Targets) != nil {
		l.Targets = nil // a pattern: the tensors say what it matched
	}
	if c.Base != nil {
		base = *c.Base
	}
	return l, base, nil
}

// unsupported reports a field by which an adapter computes something else than W·x +
// scale·B·A·x, or has weights of its own besides.
func unsupported(fields map[string]json.RawMessage) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := string(bytes.TrimSpace(fields[name]))
		switch {
		case slices.Contains(plainFields, name):
		case name == "init_lora_weights" && slices.Contains(initKinds, value):
		case name == "bias" && value == `"none"`:
		case slices.Contains([]string{"null", "false", "{}", "[]", `""`, "0"}, value):
		default:
			return fmt.Errorf("%s (%.60s) is not supported: adapters are plain LoRA of linear layers", name, value)
		}
	}
	return nil
}

// OpenAdapter reads an adapter: PEFT's adapter_config.json and adapter_model.safetensors in a
// folder, a checkpoint of a run that trained one, or a run's folder, of which the best
// checkpoint is meant, or else the latest.
func OpenAdapter(dir string) (*Adapter, error) {
	at, err := findAdapter(dir)
	if err != nil {
		return nil, err
	}
	if err := verifyModel(at); err != nil {
		return nil, err
	}
	return readAdapter(at)
}

func readAdapter(dir string) (*Adapter, error) {
	path := filepath.Join(dir, AdapterConfigFile)
	raw, err := regular.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := &Adapter{Path: dir, tensors: map[string]safetensors.Tensor{}}
	if a.LoRA, a.Base, err = parseAdapterConfig(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := a.read(filepath.Join(dir, AdapterWeightsFile)); err != nil {
		return nil, err
	}
	return a, nil
}

// read reads the weights, which must be pairs of factors of one rank.
func (a *Adapter) read(path string) (err error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	a.BaseFingerprint = f.Metadata()[fingerprintKey]
	for _, info := range f.Tensors() {
		name, ok := strings.CutPrefix(info.Name, adapterPrefix)
		if _, _, factor := cutFactor(name); !ok || !factor {
			return fmt.Errorf("%s: tensor %s is not supported: %sNAME.%s.weight and .%s.weight are", path, info.Name, adapterPrefix, arch.AdapterA, arch.AdapterB)
		}
		t := safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: info.Shape, Data: make([]float32, info.Elements())}
		if err := f.ReadFloat32(info.Name, t.Data); err != nil {
			return err
		}
		a.tensors[name] = t
	}
	if len(a.tensors) == 0 {
		return fmt.Errorf("%s holds no adapter: it has no tensors", path)
	}
	for _, module := range a.modules() {
		down, haveA := a.tensors[arch.AdapterName(module, arch.AdapterA)]
		up, haveB := a.tensors[arch.AdapterName(module, arch.AdapterB)]
		switch {
		case !haveA || !haveB:
			return fmt.Errorf("%s: %s has only one of %s and %s", path, module, arch.AdapterA, arch.AdapterB)
		case len(down.Shape) != 2 || len(up.Shape) != 2 || down.Shape[0] != a.LoRA.Rank || up.Shape[1] != a.LoRA.Rank:
			return fmt.Errorf("%s: the factors of %s are A %d and B %d; %s says rank %d: [%d, in] and [out, %d]",
				path, module, down.Shape, up.Shape, AdapterConfigFile, a.LoRA.Rank, a.LoRA.Rank, a.LoRA.Rank)
		}
	}
	if len(a.LoRA.Targets) == 0 {
		a.LoRA.Targets = a.modules()
	}
	return nil
}

// NewAdapter is one of factors by the names that [arch.AdapterName] gives.
func NewAdapter(l arch.LoRA, factors []safetensors.Tensor) *Adapter {
	a := &Adapter{LoRA: l, tensors: map[string]safetensors.Tensor{}}
	for _, t := range factors {
		a.tensors[t.Name] = t
	}
	return a
}

// cutFactor is the module and the factor of an adapter's tensor.
func cutFactor(name string) (module string, factor arch.Adapter, ok bool) {
	for _, factor := range []arch.Adapter{arch.AdapterA, arch.AdapterB} {
		if module, ok := strings.CutSuffix(name, "."+string(factor)+".weight"); ok {
			return module, factor, true
		}
	}
	return "", "", false
}

// modules are the linear layers that have an adapter, sorted.
func (a *Adapter) modules() []string {
	list := map[string]bool{}
	for name := range a.tensors {
		module, _, _ := cutFactor(name)
		list[module] = true
	}
	return slices.Sorted(maps.Keys(list))
}

// Tensors are the factors by the names that [arch.AdapterName] gives, sorted.
func (a *Adapter) Tensors() (list []safetensors.Tensor) {
	for _, name := range slices.Sorted(maps.Keys(a.tensors)) {
		list = append(list, a.tensors[name])
	}
	return list
}

// Load reads factors: tensors must be exactly the adapter's, each with memory in Data.
func (a *Adapter) Load(tensors []safetensors.Tensor) error {
	if len(tensors) != len(a.tensors) {
		return fmt.Errorf("%s has %d tensors; %d are expected", a.Path, len(a.tensors), len(tensors))
	}
	for _, t := range tensors {
		from, ok := a.tensors[t.Name]
		if !ok {
			return fmt.Errorf("%s: tensor %s is missing", a.Path, t.Name)
		}
		if !slices.Equal(from.Shape, t.Shape) {
			return fmt.Errorf("%s: tensor %s has shape %d; %d is expected", a.Path, t.Name, from.Shape, t.Shape)
		}
		copy(t.Data, from.Data)
	}
	return nil
}

// Check reports where an adapter is not one of a model of that shape.
func (a *Adapter) Check(c arch.Config) error {
	shapes := map[string][]int{}
	for _, p := range c.Parameters() {
		if p.Layer >= 0 && len(p.Shape) == 2 {
			shapes[strings.TrimSuffix(p.Name, ".weight")] = p.Shape
		}
	}
	for _, module := range a.modules() {
		want, ok := shapes[module]
		if !ok {
			return fmt.Errorf("adapter %s is of another model: it has %s, which is no linear layer of the %d blocks", a.Path, module, c.Layers)
		}
		in, out := a.tensors[arch.AdapterName(module, arch.AdapterA)].Shape[1], a.tensors[arch.AdapterName(module, arch.AdapterB)].Shape[0]
		if got := []int{out, in}; !slices.Equal(got, want) {
			return fmt.Errorf("adapter %s is of another model: it is for a %s of shape %d; the model's is %d", a.Path, module, got, want)
		}
	}
	if c.Quantize.Rounds() {
		return fmt.Errorf("adapter %s: a model that rounds its weights or activations (model.quantize: %s) has no adapters", a.Path, c.Quantize)
	}
	return nil
}

// Merge adds scale·B·A to the elements of a weight from the first-th on; of one without an
// adapter it changes nothing. It may be called from several goroutines.
func (a *Adapter) Merge(name string, first int, dst []float32) {
	down, ok := a.tensors[arch.AdapterName(name, arch.AdapterA)]
	if !ok {
		return
	}
	up, in, rank, scale := a.tensors[arch.AdapterName(name, arch.AdapterB)], down.Shape[1], a.LoRA.Rank, float32(a.LoRA.Scale())
	product := make([]float32, in)
	for done := 0; done < len(dst); {
		row, column := (first+done)/in, (first+done)%in
		n := min(in-column, len(dst)-done)
		p := product[:n]
		clear(p)
		for k := range rank {
			b := up.Data[row*rank+k]
			for i, x := range down.Data[k*in+column:][:n] {
				p[i] += b * x
			}
		}
		for i, x := range p {
			dst[done+i] += scale * x
		}
		done += n
	}
}

// adapts reports whether a weight has an adapter.
func (a *Adapter) adapts(name string) bool {
	if a == nil {
		return false
	}
	_, ok := a.tensors[arch.AdapterName(name, arch.AdapterA)]
	return ok
}

// Adapt makes m the model with the adapter merged into its weights, W + scale·B·A, as they
// are read. An adapter of another model is an error.
func (m *Model) Adapt(a *Adapter) error {
	if m.adapter != nil {
		return fmt.Errorf("%s has adapter %s already: %s would be a second", m.Path, m.adapter.Path, a.Path)
	}
	if err := a.checkBase(m); err != nil {
		return err
	}
	m.adapter = a
	return nil
}

// checkBase reports where an adapter is not one of a model.
func (a *Adapter) checkBase(m *Model) error {
	if err := a.Check(m.Config); err != nil || a.BaseFingerprint == "" {
		return err
	}
	have, err := m.Fingerprint()
	if err == nil && have != a.BaseFingerprint {
		err = a.OtherBase(m.Path, have)
	}
	return err
}

// OtherBase is the error of a model that has another fingerprint than an adapter's.
func (a *Adapter) OtherBase(model, fingerprint string) error {
	return fmt.Errorf("adapter %s was trained on another model of this shape (%s): its base has fingerprint %.16s…, %s has %.16s…", a.Path, a.Base, a.BaseFingerprint, model, fingerprint)
}

// Adapter is the one that is merged into the weights, nil for none.
func (m *Model) Adapter() *Adapter { return m.adapter }

// Fingerprint is that of the model's weights, without an adapter.
func (m *Model) Fingerprint() (string, error) {
	return Fingerprint(m.Config, func(name string, dst []float32, shape []int) error {
		if m.HasParts() {
			return m.weights.loadPart(name, 0, dst, shape)
		}
		whole := make([]float32, arch.Parameter{Shape: shape}.Size())
		if err := m.weights.load(name, whole, shape); err != nil {
			return err
		}
		copy(dst, whole)
		return nil
	})
}

// fingerprintValues are as many of each parameter as a fingerprint reads.
const fingerprintValues = 64

// Fingerprint tells models of one shape apart, whatever format they are in: the SHA-256, in
// hex, of the parameters' names and shapes and of the first values of each as float32. start
// reads those into dst.
func Fingerprint(c arch.Config, start func(name string, dst []float32, shape []int) error) (string, error) {
	sum := sha256.New()
	for _, p := range c.Parameters() {
		values := make([]float32, min(p.Size(), fingerprintValues))
		if err := start(p.Name, values, p.Shape); err != nil {
			return "", err
		}
		fmt.Fprintln(sum, p.Name, p.Shape)
		if err := binary.Write(sum, binary.LittleEndian, values); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// findAdapter is the folder of the adapter that a path stands for.
func findAdapter(dir string) (string, error) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return "", fmt.Errorf("adapter: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("adapter %s is a file; the folder with %s is wanted", dir, AdapterConfigFile)
	case isAdapter(dir):
		return dir, nil
	}
	at, err := bestOrLatest(dir)
	switch {
	case err != nil:
		return "", err
	case at == "" || !isAdapter(at):
		return "", fmt.Errorf("%s holds no adapter: neither %s nor checkpoints of a run that trained one", dir, AdapterConfigFile)
	}
	return at, nil
}

// isAdapter reports whether a folder is that of an adapter.
func isAdapter(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, AdapterConfigFile))
	return err == nil
}

// openAdapted opens the model that an adapter was trained on, with the adapter.
func openAdapted(dir string) (*Model, error) {
	a, err := OpenAdapter(dir)
	if err != nil {
		return nil, err
	}
	m, err := a.openBase()
	if err != nil {
		return nil, err
	}
	if err := m.Adapt(a); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// openBase opens the model that an adapter was trained on. A path that is not absolute is
// taken from the working folder.
func (a *Adapter) openBase() (*Model, error) {
	if a.Base == "" {
		return nil, fmt.Errorf("%s is an adapter whose %s does not say of which model\nhint: name the model, and the adapter with --adapter", a.Path, AdapterConfigFile)
	}
	m, err := Open(a.Base)
	if err != nil {
		return nil, fmt.Errorf("the model that adapter %s was trained on (base_model_name_or_path): %w\nhint: name it where it lies now, and the adapter with --adapter", a.Path, err)
	}
	return m, nil
}

// OpenWith opens a model, and merges an adapter into its weights where one is named.
func OpenWith(path, adapter string) (*Model, error) {
	m, err := Open(path)
	if adapter == "" || err != nil {
		return m, err
	}
	a, err := OpenAdapter(adapter)
	if err == nil {
		err = m.Adapt(a)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// AdapterContents are what an adapter is written of.
type AdapterContents struct {
	LoRA            arch.LoRA
	Base            string // path or name of its model
	BaseFingerprint string // of its model; empty where it is not known
	// Tensors are the factors, by the names that [arch.LoRA.Parameters] gives.
	Tensors []safetensors.Tensor
}

// moduleEnds are the last parts of the names of the layers that tensors are factors of: PEFT
// takes a list of those.
func moduleEnds(tensors []safetensors.Tensor) (ends []string) {
	for _, t := range tensors {
		module, _, _ := cutFactor(t.Name)
		if end := module[strings.LastIndex(module, ".")+1:]; !slices.Contains(ends, end) {
			ends = append(ends, end)
		}
	}
	return ends
}

// writeTo adds an adapter's files to a folder.
func (c AdapterContents) writeTo(d *folder) error {
	l := c.LoRA.Resolved()
	if slices.Contains(l.Targets, arch.AllLinear) {
		l.Targets = moduleEnds(c.Tensors)
	}
	raw, err := json.MarshalIndent(adapterConfig{
		Type: "LORA", Task: "CAUSAL_LM", Base: c.Base, Rank: l.Rank, Alpha: l.Alpha, Dropout: l.Dropout, Targets: l.Targets,
		UseRSLoRA: l.RSLoRA, Bias: "none", InitWeights: true, Inference: true,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := d.writeBytes(AdapterConfigFile, append(raw, '\n')); err != nil {
		return err
	}
	named := slices.Clone(c.Tensors)
	for i := range named {
		named[i].Name = adapterPrefix + named[i].Name
	}
	metadata := map[string]string{}
	if c.BaseFingerprint != "" {
		metadata[fingerprintKey] = c.BaseFingerprint
	}
	return d.writeTensors(AdapterWeightsFile, named, metadata)
}
