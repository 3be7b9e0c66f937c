// Package safetensors reads and writes safetensors files, the format that
// Hugging Face keeps weights in (https://huggingface.co/docs/safetensors).
//
// A file is an 8-byte little-endian length, a JSON header of that length, and
// the tensors' bytes. The header maps each name to its type, shape and byte
// range within the data:
//
//	{"__metadata__": {"format": "pt"},
//	 "model.norm.weight": {"dtype": "F32", "shape": [576], "data_offsets": [0, 2304]}}
//
// [Open] checks all of it before it gives out a [File]: the length against the
// file, the JSON against the format, every byte range against its shape, and
// that the ranges cover the data without a gap, an overlap or a remainder. So a
// file that was cut short, or is something else, is refused when it is opened,
// and no size in a header makes the reader allocate more than a small multiple
// of the file's own header. [File.ReadFloat32] then converts F32, BF16 and F16
// tensors to float32; [File.ReadBF16] takes BF16 as it is, [File.ReadInt8] I8.
//
// [Write] streams float32 tensors, converted to each one's type, and tensors that
// are in bf16 or int8 already, in the order given. It holds no copy of a tensor.
//
//	f, err := safetensors.Open("model.safetensors")
//	...
//	defer f.Close()
//	info, ok := f.Lookup("model.norm.weight")
//	...
//	weights := make([]float32, info.Elements())
//	err = f.ReadFloat32(info.Name, weights)
package safetensors
