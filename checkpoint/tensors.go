package checkpoint

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/checkpoint/torchfile"
)

// tensorFile is an open file of tensors: safetensors or PyTorch's.
type tensorFile interface {
	Name() string
	Tensors() []safetensors.Info
	Lookup(name string) (safetensors.Info, bool)
	ReadFloat32(name string, dst []float32) error
	Close() error
}

// partReader is a file some elements of whose tensors are read as cheaply as all.
type partReader interface {
	ReadFloat32From(name string, first int, dst []float32) error
}

// partOf is the file that a tensor's parts are read from, and its name there; nil where
// the format has no parts.
func partOf(f tensorFile, name string) (partReader, string) {
	switch r := f.(type) {
	case *renamedFile:
		return r.part(name)
	case *int8File:
		return r.part(name)
	}
	p, _ := f.(partReader)
	return p, name
}

// tensorFiles is a set of tensors in one or several files.
type tensorFiles struct {
	name  string // what errors about the set call it
	files []tensorFile
	where map[string]tensorFile
}

// shaped is a tensor that a model or an optimizer asks for.
type shaped struct {
	name  string
	shape []int
}

// openTensors opens files that together hold a set called name.
func openTensors(name string, paths ...string) (tensorFiles, error) {
	t := tensorFiles{name: name, where: map[string]tensorFile{}}
	for _, path := range paths {
		f, err := openTensorFile(path)
		if err != nil {
			t.close()
			return tensorFiles{}, err
		}
		t.files = append(t.files, f)
		for _, info := range f.Tensors() {
			if other := t.where[info.Name]; other != nil {
				t.close()
				return tensorFiles{}, fmt.Errorf("tensor %s is in both %s and %s", info.Name, other.Name(), path)
			}
			t.where[info.Name] = f
		}
	}
	return t, nil
}

// openTensorFile opens one file, whose name says which format it has.
func openTensorFile(path string) (tensorFile, error) {
	if filepath.Ext(path) == ".bin" {
		return nilOnError(torchfile.Open(path))
	}
	return nilOnError(safetensors.Open(path))
}

// nilOnError keeps a nil pointer from becoming an interface that is not nil.
func nilOnError[F tensorFile](f F, err error) (tensorFile, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (t tensorFiles) close() error {
	var errs []error
	for _, f := range t.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// names lists the tensors, file by file.
func (t tensorFiles) names() []string {
	var names []string
	for _, f := range t.files {
		for _, info := range f.Tensors() {
			names = append(names, info.Name)
		}
	}
	return names
}

// rename gives tensors the names that own has for theirs.
func (t tensorFiles) rename(own map[string]string) {
	clear(t.where)
	for i, f := range t.files {
		t.files[i] = renamed(f, own)
		for _, info := range t.files[i].Tensors() {
			t.where[info.Name] = t.files[i]
		}
	}
}

// path is the file that holds a tensor.
func (t tensorFiles) path(name string) string { return t.where[name].Name() }

// find returns the file of a tensor, once it has the shape that is asked for.
func (t tensorFiles) find(name string, shape []int) (tensorFile, error) {
	f := t.where[name]
	if f == nil {
		return nil, fmt.Errorf("%s: tensor %s is missing; shape %d is expected", t.name, name, shape)
	}
	info, _ := f.Lookup(name)
	if !slices.Equal(info.Shape, shape) {
		return nil, fmt.Errorf("%s: tensor %s has shape %d; %d is expected", f.Name(), name, info.Shape, shape)
	}
	if !info.DType.Float() {
		return nil, fmt.Errorf("%s: tensor %s is %s; F32, BF16 or F16 is expected", f.Name(), name, info.DType)
	}
	return f, nil
}

// check compares the set with what is wanted. ignored, which may be nil, says
// which extra tensors to let pass. The error is the first difference and the
// count of the others: with a wrong config nearly every tensor differs.
func (t tensorFiles) check(wanted []shaped, ignored func(name string) (bool, error)) error {
	var first error
	others := 0
	report := func(err error) {
		if first == nil {
			first = err
			return
		}
		others++
	}
	names := make(map[string]bool, len(wanted))
	for _, w := range wanted {
		names[w.name] = true
		if _, err := t.find(w.name, w.shape); err != nil {
			report(err)
		}
	}
	for _, f := range t.files {
		for _, info := range f.Tensors() {
			if names[info.Name] {
				continue
			}
			if ignored != nil {
				ok, err := ignored(info.Name)
				if err != nil {
					report(err)
				}
				if ok {
					continue
				}
			}
			report(fmt.Errorf("%s: tensor %s of shape %d is not expected", f.Name(), info.Name, info.Shape))
		}
	}
	if others > 0 {
		return fmt.Errorf("%w (and %d more differences)", first, others)
	}
	return first
}

func (t tensorFiles) load(name string, dst []float32, shape []int) error {
	f, err := t.find(name, shape)
	if err != nil {
		return err
	}
	return f.ReadFloat32(name, dst)
}

// loadPart reads the elements from the first-th on.
func (t tensorFiles) loadPart(name string, first int, dst []float32, shape []int) error {
	f, err := t.find(name, shape)
	if err != nil {
		return err
	}
	p, stored := partOf(f, name)
	if p == nil {
		return fmt.Errorf("%s: tensors are read whole only", f.Name())
	}
	return p.ReadFloat32From(stored, first, dst)
}

// hasParts reports whether all files have tensors that are read in parts.
func (t tensorFiles) hasParts() bool {
	for _, f := range t.files {
		if p, _ := partOf(f, ""); p == nil {
			return false
		}
	}
	return true
}

// bf16File is a file whose BF16 tensors can be read as they are.
type bf16File interface {
	ReadBF16(name string, dst []uint16) error
}

// findBF16 returns the file of a tensor to be read as bf16, once it is.
func (t tensorFiles) findBF16(name string) (bf16File, error) {
	f := t.where[name]
	half, ok := f.(bf16File)
	if info, _ := f.Lookup(name); !ok || info.DType != safetensors.BF16 {
		return nil, fmt.Errorf("%s: tensor %s is %s; BF16 of a safetensors file is expected", f.Name(), name, info.DType)
	}
	return half, nil
}

// loadAll checks the whole set before it changes the first value. What has no memory is only
// checked.
func (t tensorFiles) loadAll(tensors []safetensors.Tensor, ignored func(string) (bool, error)) error {
	wanted := make([]shaped, len(tensors))
	for i, tensor := range tensors {
		wanted[i] = shaped{tensor.Name, tensor.Shape}
	}
	if err := t.check(wanted, ignored); err != nil {
		return err
	}
	for _, tensor := range tensors {
		if tensor.BF16 == nil {
			continue
		}
		if _, err := t.findBF16(tensor.Name); err != nil {
			return err
		}
	}
	for _, tensor := range tensors {
		if tensor.Elements() == 0 {
			continue
		}
		if err := t.loadOne(tensor); err != nil {
			return err
		}
	}
	return nil
}

// loadOne reads a tensor that has been checked into the memory that comes with
// it.
func (t tensorFiles) loadOne(tensor safetensors.Tensor) error {
	if tensor.BF16 == nil {
		return t.load(tensor.Name, tensor.Data, tensor.Shape)
	}
	f, err := t.findBF16(tensor.Name)
	if err != nil {
		return err
	}
	return f.ReadBF16(tensor.Name, tensor.BF16)
}

// equal reports whether two tensors have the same shape and values.
func (t tensorFiles) equal(a, b string) (bool, error) {
	var values [2][]float32
	var shapes [2][]int
	for i, name := range []string{a, b} {
		f := t.where[name]
		if f == nil {
			return false, nil
		}
		info, _ := f.Lookup(name)
		shapes[i] = info.Shape
		values[i] = make([]float32, info.Elements())
		if err := f.ReadFloat32(name, values[i]); err != nil {
			return false, err
		}
	}
	return slices.Equal(shapes[0], shapes[1]) && slices.Equal(values[0], values[1]), nil
}
