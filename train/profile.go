package train

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"mobilellm/engine"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/regular"
)

// ProfileFile holds the time of each kind of operation, of a run with a profile.
const ProfileFile = "profile.json"

func (r *run) writeProfile() error {
	if !r.o.Profile || r.state.step == r.startStep() { // or no step was timed
		return nil
	}
	raw, err := json.MarshalIndent(r.training.vm.Profile().Rows(), "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(r.o.Out, ProfileFile), append(raw, '\n'))
}

// ReadProfile reads the profile.json of a run's folder. Its error wraps fs.ErrNotExist
// where there is none.
func ReadProfile(dir string) (rows []engine.Row, err error) {
	path := filepath.Join(dir, ProfileFile)
	raw, err := regular.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}
