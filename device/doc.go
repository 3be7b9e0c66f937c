// Package device opens the device that computes: the processor (package engine/cpu)
// or, in builds with the tag gpu, an NVIDIA GPU (package engine/cuda).
//
// A process opens one device, which training, inference, export and scoring share.
//
//	dev, err := device.Open(device.Auto, 0, note)
//	defer dev.Close()
package device
