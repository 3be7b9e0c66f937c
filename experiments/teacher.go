package experiments

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"mobilellm/checkpoint"
	"mobilellm/train"
)

// A member's teacher, and the model whose weights it starts from, are other members, which
// are trained first. In the member's configuration distil.teacher is teacherPrefix and the
// teacher's id, wherever the sweep lies.

// ErrNotReady is a member that has to wait for another.
var ErrNotReady = errors.New("not ready")

// ready says whether what the member needs is trained. The error wraps ErrNotReady where
// it still may be.
func (s *Sweep) ready(dir string, m *Member) error {
	for _, need := range m.earlier() {
		if finished(dir, need.id) {
			continue
		}
		why, err := failure(dir, need.id)
		switch {
		case err != nil:
			return err
		case why != nil:
			return fmt.Errorf("its %s %s failed: %s", need.what, need.id, why.Error)
		}
		return fmt.Errorf("%w: its %s %s is not trained", ErrNotReady, need.what, need.id)
	}
	return nil
}

// findTeacher puts the checkpoint of the member's teacher into its configuration.
func (s *Sweep) findTeacher(dir string, m *Member, c *train.RunConfig) error {
	if m.Teacher == "" {
		return nil
	}
	var err error
	c.Distil.Teacher, err = result(dir, m.Teacher)
	return err
}

// result is the last checkpoint of a trained member.
func result(dir, id string) (string, error) {
	summary, err := train.ReadSummary(filepath.Join(dir, id))
	if err != nil {
		return "", err
	}
	return filepath.Abs(filepath.Join(dir, id, filepath.FromSlash(summary.Checkpoint)))
}

// untrainedTeacher is a temporary folder with as much of the member's teacher as a
// plan needs: its config.json.
func (s *Sweep) untrainedTeacher(m *Member) (string, error) {
	teacher, err := s.Member(m.Teacher).run()
	if err != nil {
		return "", err
	}
	raw, err := checkpoint.MarshalConfig(teacher.Model, checkpoint.Meta{Tokens: checkpoint.NoTokens(), DType: "F32"})
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "teacher-*")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, checkpoint.ConfigFile), raw, 0o644); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// flops are those of a member's whole run, its teacher's forward passes included.
func (s *Sweep) flops(m *Member, c *train.RunConfig) (float64, error) {
	perToken := c.Model.TrainingFLOPs(c.Data.Seq)
	if m.Teacher != "" {
		teacher, err := s.Member(m.Teacher).run()
		if err != nil {
			return 0, err
		}
		perToken += teacher.Model.ForwardFLOPs(c.Data.Seq)
	}
	return float64(perToken) * float64(c.Train.Batch*c.Data.Seq) * float64(c.Train.Steps), nil
}
