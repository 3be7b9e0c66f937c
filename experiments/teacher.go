package experiments

import (
	"path/filepath"

	"mobilellm/configs"
	"mobilellm/train"
)

// teacherKey is where a run's configuration names its teacher's folder.
const teacherKey = "distil.teacher"

// findTeacher puts the checkpoint of the member's teacher into its configuration.
func (s *Sweep) findTeacher(dir string, m *Member, c *train.RunConfig) error {
	if m.Teacher == "" {
		return nil
	}
	result, err := train.ReadSummary(filepath.Join(dir, m.Teacher))
	if err != nil {
		return err
	}
	path, err := filepath.Abs(filepath.Join(dir, m.Teacher, filepath.FromSlash(result.Checkpoint)))
	if err != nil {
		return err
	}
	_, err = configs.Load(c, configs.Source{Flags: map[string]any{teacherKey: path}})
	return err
}
