//go:build !linux

package train

import "mobilellm/engine"

// reserve falls back on the device's own memory, which systems give out as it is
// touched.
func (d planDevice) reserve(bytes int64) (engine.Memory, error) { return d.Device.Alloc(bytes) }
