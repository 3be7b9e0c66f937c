// Package torchfile reads pytorch_model.bin files, the format of torch.save:
// a zip archive with a pickle that describes tensors, and their bytes beside it.
//
// A pickle is a program, and Python's reader runs whatever it names. The reader
// here is a small machine that knows the opcodes by which state dictionaries
// are written and a fixed list of names (torch._utils._rebuild_tensor_v2, the
// storage classes, collections.OrderedDict). It calls nothing: those names build
// descriptions of tensors, and any other name is an error that gives it. Work
// and memory are bounded by the size of the pickle.
//
//	f, err := torchfile.Open("pytorch_model.bin")
//	...
//	defer f.Close()
//	info, ok := f.Lookup("model.norm.weight")
//	...
//	weights := make([]float32, info.Elements())
//	err = f.ReadFloat32(info.Name, weights)
package torchfile
