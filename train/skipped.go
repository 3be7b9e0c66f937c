package train

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mobilellm/data/ingest"
	"mobilellm/internal/atomicfile"
)

// listSkipped writes what was left out of the text into the run's folder.
func (r *run) listSkipped() error {
	path := filepath.Join(r.o.Out, ingest.SkippedName)
	if len(r.text.Read.Skipped) == 0 {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	err := atomicfile.WriteFunc(path, func(w io.Writer) error {
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		for _, s := range r.text.Read.Skipped {
			if err := lines.Encode(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		r.o.Progress.Note("what was left out is listed in %s", path)
	}
	return err
}
