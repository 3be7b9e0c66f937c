package train

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"

	"mobilellm/data"
	"mobilellm/data/ingest"
)

// textSize is about how large a run's text is, as far as the sizes of files tell,
// without folders that are left out. What does not exist counts nothing: reading it
// gives the error.
func textSize(ctx context.Context, c data.Config, leaveOut ...string) int64 {
	var total int64
	for _, s := range c.Train {
		total += sourceSize(ctx, s.Path, leaveOut)
	}
	for _, s := range c.Heldout {
		total += sourceSize(ctx, s.Path, leaveOut)
	}
	return total
}

const (
	// goSourceSize is that of Go 1.26's source tree, generated files left out.
	goSourceSize = 45e6
	// unpacked is how much larger a packed text is than its file, where that does not say.
	unpacked = 3
)

func sourceSize(ctx context.Context, path string, leaveOut []string) int64 {
	if path == data.GoSourceName {
		return goSourceSize
	}
	files, err := ingest.Files(path, leaveOut...)
	if err != nil {
		return 0 // an estimate does without what cannot be read
	}
	var total int64
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		n := info.Size()
		if said, err := ingest.UnpackedSize(file); err == nil && said > 0 {
			n = said
		} else if ingest.IsPacked(file) {
			n *= unpacked
		}
		total += n
	}
	return total
}

// corpusBytes is about what the tokens of so much text take, at two bytes each.
func corpusBytes(text int64, c data.Config) int64 {
	if c.Tokenizer == data.TokenizerBytes {
		return 2 * text
	}
	return text
}

// readingBytes is about what the process takes at most while it reads so much
// text, learns a tokenizer and encodes: the text, the tokens in a slice that
// grows, and what the collector has not freed yet.
func readingBytes(text int64, c data.Config) int64 {
	const process = 40 << 20
	return process + readingFactor(c)*text
}

// mostText is how much text may be read into so much memory; 0 for any where it is
// not known.
func mostText(available int64, c data.Config) int64 { return available / readingFactor(c) }

func readingFactor(c data.Config) int64 {
	if c.Tokenizer == data.TokenizerBytes {
		return 7
	}
	return 4
}

// sparingly runs f with a collector that keeps the heap small, and gives what f
// left over back to the system.
func sparingly(f func() error) error {
	before := debug.SetGCPercent(20)
	defer debug.SetGCPercent(before)
	err := f()
	runtime.GC() // twice, as the first only marks what pools hold
	debug.FreeOSMemory()
	return err
}
