// Package export takes models out of this program and brings others in.
//
// A [Model] is a whole model in memory: its shape, its weights by Hugging Face's
// names and its tokenizer, which is read when something asks for it. [Open] reads
// what package checkpoint opens; [Model.Unrolled] writes out shared layers (paper,
// section 2.3) as layers of their own, for formats and programs that know no sharing:
// the same function, with more weights. [Model.Logits] runs it.
//
// Formats that checkpoint does not know are packages below this one:
//
//   - onnx: a graph with a key-value cache, written, and read to check it;
//   - llama2c: llama2.c's files, written and read.
//
// Package convert chooses among them by name and by what a file holds.
//
//	m, err := export.Open("runs/first/checkpoints/best")
//	...
//	u, err := m.Unrolled()
//	err = onnx.Write("first.onnx", u, safetensors.F32)
package export
