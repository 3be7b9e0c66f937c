package convert

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/gguf"
	"mobilellm/configs"
)

// modelOf is a configuration of which only the model matters here.
type modelOf struct {
	Model      arch.Config    `yaml:"model"`
	Data       map[string]any `yaml:"data"`
	Optim      map[string]any `yaml:"optim"`
	Train      map[string]any `yaml:"train"`
	Eval       map[string]any `yaml:"eval"`
	Checkpoint map[string]any `yaml:"checkpoint"`
	Device     string         `yaml:"device"`
}

func (m modelOf) Validate() error { return m.Model.Validate() }

// sizes are rows of docs/devices.md: megabytes of the weights of each shipped model in
// each type of GGUF.
func sizes(t *testing.T) string {
	t.Helper()
	t.Chdir(t.TempDir())
	var b strings.Builder
	b.WriteString("| model |")
	for _, typ := range gguf.Types() {
		fmt.Fprintf(&b, " %v |", typ)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(gguf.Types())) + "\n")
	for _, name := range []string{"125m", "125m-ls", "350m", "350m-ls", "600m", "1b", "1.5b"} {
		m := modelOf{Model: arch.Default()}
		if _, err := configs.Load(&m, configs.Source{Name: name}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "| %s |", name)
		for _, typ := range gguf.Types() {
			fmt.Fprintf(&b, " %.1f |", float64(gguf.Size(m.Model.Resolved(), typ))/1e6)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The sizes that docs/devices.md states are those that are written.
func TestDeviceSizes(t *testing.T) {
	raw, err := os.ReadFile("../../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := sizes(t); !strings.Contains(string(raw), want) {
		t.Errorf("docs/devices.md has other sizes than\n%s", want)
	}
}
