package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
)

// wrappers are the parts that PyTorch's wrappers put into names, of the whole model
// or of a layer: torch.compile, fully sharded data parallelism and activation
// checkpointing.
var wrappers = []string{"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

const (
	basePrefix   = "model." // what LlamaForCausalLM calls the model below its head
	embeddingEnd = "embed_tokens.weight"
)

// baseParts begin the names within that model.
var baseParts = []string{"embed_tokens.", "layers.", "norm.", "rotary_emb."}

// ownNames maps the names of a folder's tensors to those of the parameters, where
// they differ. What stands before the embedding's name stands before all: nothing
// where the model was saved without its head, or the names of modules around it,
// such as module. of distributed data parallelism or model. of a trainer's class.
// Two embeddings, or two tensors of one name, are an error: which of them is the
// model is not for this program to guess.
func ownNames(names []string) (map[string]string, error) {
	prefix, found, err := prefixOf(names)
	if err != nil || !found {
		return nil, err
	}
	stored, own := map[string]string{}, map[string]string{}
	for _, name := range names {
		to := ownName(unwrapped(name), prefix)
		if other, taken := stored[to]; taken {
			return nil, fmt.Errorf("tensors %s and %s are both %s", other, name, to)
		}
		stored[to] = name
		if to != name {
			own[name] = to
		}
	}
	return own, nil
}

// prefixOf is what stands before the embedding's name.
func prefixOf(names []string) (prefix string, found bool, err error) {
	first := ""
	for _, name := range names {
		before, ok := strings.CutSuffix(unwrapped(name), embeddingEnd)
		if !ok || before != "" && !strings.HasSuffix(before, ".") {
			continue
		}
		if found && before != prefix {
			return "", false, fmt.Errorf("tensors %s and %s are of two models", first, name)
		}
		prefix, first, found = before, name, true
	}
	return prefix, found, nil
}

func ownName(name, prefix string) string {
	if strings.HasSuffix(name, "."+arch.HeadName) {
		return arch.HeadName
	}
	rest, ok := strings.CutPrefix(name, prefix)
	if ok && slices.ContainsFunc(baseParts, func(part string) bool { return strings.HasPrefix(rest, part) }) {
		return basePrefix + rest
	}
	return name
}

// unwrapped takes the wrappers' parts from a name.
func unwrapped(name string) string {
	parts := slices.DeleteFunc(strings.Split(name, "."), func(part string) bool { return slices.Contains(wrappers, part) })
	return strings.Join(parts, ".")
}

// renamedFile is a file whose tensors are called by their own names.
type renamedFile struct {
	tensorFile
	tensors []safetensors.Info
	stored  map[string]string // by own name
}

func renamed(f tensorFile, own map[string]string) tensorFile {
	r := &renamedFile{tensorFile: f, stored: map[string]string{}}
	for _, info := range f.Tensors() {
		stored := info.Name
		if name, ok := own[stored]; ok {
			info.Name = name
		}
		r.tensors = append(r.tensors, info)
		r.stored[info.Name] = stored
	}
	return r
}

func (r *renamedFile) Tensors() []safetensors.Info { return r.tensors }

func (r *renamedFile) Lookup(name string) (safetensors.Info, bool) {
	info, ok := r.tensorFile.Lookup(r.stored[name])
	info.Name = name
	return info, ok
}

func (r *renamedFile) ReadFloat32(name string, dst []float32) error {
	return r.tensorFile.ReadFloat32(r.stored[name], dst)
}

// part reads some elements of a tensor, see [partReader].
func (r *renamedFile) part(name string) (partReader, string) {
	return partOf(r.tensorFile, r.stored[name])
}

// ReadInt8 implements [int8Reader] where the file does.
func (r *renamedFile) ReadInt8(name string, first int, dst []int8) error {
	f, ok := r.tensorFile.(int8Reader)
	if !ok {
		return fmt.Errorf("%s: tensor %s: integers are read from safetensors files only", r.Name(), name)
	}
	return f.ReadInt8(r.stored[name], first, dst)
}
