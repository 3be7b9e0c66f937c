package train

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestSummary(t *testing.T) {
	c := tiny(t)
	c.Train.Steps = 4
	out, result := train(t, c, Options{})
	s, err := ReadSummary(out)
	if err != nil {
		t.Fatal(err)
	}
	if s.Step != 4 || s.Tokens != 4*4*32 || !reflect.DeepEqual(s.Heldout, *result.Heldout) || s.Loss != result.Loss || s.Parameters != c.Model.ParameterCount() {
		t.Errorf("summary %+v of result %+v", s, result)
	}
	if s.Checkpoint != "checkpoints/step-00000004" || s.Seconds <= 0 || math.Abs(s.TokensPerSecond*s.Seconds-512) > 1e-6 {
		t.Errorf("checkpoint %s, %g s, %g tokens/s", s.Checkpoint, s.Seconds, s.TokensPerSecond)
	}
	if _, err := ReadSummary(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

func TestStepSeconds(t *testing.T) {
	path := filepath.Join(t.TempDir(), MetricsFile)
	text := `{"step":1,"tokens":100,"loss":5,"tokens_per_second":50}
{"step":1,"heldout_loss":5,"bits_per_byte":7,"perplexity":148,"heldout_tokens":10}
{"step":2,"tokens":200,"loss":4,"tokens_per_second":25}
`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err := stepSeconds(path); err != nil || s != 2+4 {
		t.Errorf("%g s, %v; want 6", s, err)
	}
}
