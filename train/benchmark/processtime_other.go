//go:build !unix

package benchmark

import "time"

func processTime() time.Duration { return 0 }
