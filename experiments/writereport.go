package experiments

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"mobilellm/internal/atomicfile"
)

// ReportDir is the folder of a sweep's report within the sweep's.
const ReportDir = "report"

// Write writes the report into a folder: report.md with its pictures, report.html,
// members.csv and runs.csv. Each file is replaced at once.
func (r *Report) Write(dir string) error {
	plots := r.Plots()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	files := map[string]func(io.Writer) error{
		"report.md":   func(w io.Writer) error { return r.Markdown(w, plots) },
		"report.html": func(w io.Writer) error { return r.HTML(w, plots) },
		"members.csv": r.MembersCSV,
		"runs.csv":    r.RunsCSV,
	}
	for _, p := range plots {
		files[p.Name] = func(w io.Writer) error { _, err := w.Write(p.File()); return err }
	}
	for name, write := range files {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := atomicfile.Write(filepath.Join(dir, name), out.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
