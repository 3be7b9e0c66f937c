// Package shadow is a CUDA driver without a GPU, for tests of the host's side of
// the CUDA device.
//
// The addresses that it hands out are mapped without any right of access, as a
// GPU's memory is to the host: code that follows one is ended by a fault. The
// data lies elsewhere, in a shadow that only the driver's own kernels see. They
// run at once on the processor: by default plain Go versions of the kernels of
// package kernels, one for each name, written from their documentation. A
// captured graph keeps the launches and makes them when it is replayed.
//
//	dev, err := cuda.New(func() (cuda.Driver, error) { return shadow.New(shadow.Options{}), nil }, cuda.Options{})
package shadow
