// Package convert moves models between formats, by name and by what a file holds.
//
//	m, err := convert.Read("stories260K.bin", "tok512.bin")
//	...
//	paths, notes, err := convert.Write(m, convert.Options{Format: convert.GGUF, Type: "q8_0", Out: "stories.gguf"})
//	result, err := convert.Verify(m, "stories.gguf", dev, 64)
//
// [Write] unrolls shared layers where the format knows no sharing, and writes
// beside the final name first, so that a file is whole or not there.
package convert
