package train

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/configs"
)

// childVariable names the configuration of the run that a child process makes.
const childVariable = "TRAIN_TEST_CHILD"

// runChild trains in a child process and returns the memory planned and taken.
func runChild(t *testing.T, c RunConfig, precision, recompute string) [2]float64 {
	t.Helper()
	dir := t.TempDir()
	c.Model = c.Model.Resolved()
	raw, err := c.yamlText()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "child.yaml")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"="+path, "CHILD_TRAIN_PRECISION="+precision, "CHILD_TRAIN_RECOMPUTE="+recompute)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	_, after, _ := strings.Cut(string(text), "memory ")
	line, _, _ := strings.Cut(after, "\n")
	var numbers [2]float64
	if err := json.Unmarshal([]byte(line), &numbers); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return numbers
}

// TestChild is what runChild starts.
func TestChild(t *testing.T) {
	path := os.Getenv(childVariable)
	if path == "" {
		t.Skip("only as the child of another test")
	}
	c := DefaultRun()
	if _, err := configs.Load(&c, configs.Source{Name: path, EnvPrefix: "CHILD"}); err != nil {
		t.Fatal(err)
	}
	result, err := Run(context.Background(), c, Options{Out: filepath.Join(t.TempDir(), "run"), PeakFLOPS: 1e11})
	if err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal([2]int64{result.Memory.Total(), result.PeakMemory})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("memory %s\n", line)
}
