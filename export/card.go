package export

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"

	"mobilellm/checkpoint"
	"mobilellm/internal/regular"
	"mobilellm/train"
)

//go:embed card.md
var cardText string

var cardTemplate = template.Must(template.New("card").Funcs(template.FuncMap{
	"cell":    func(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s) },
	"nats":    func(loss float64) string { return fmt.Sprintf("%.4f nats per token", loss) },
	"million": func(n int64) float64 { return float64(n) / 1e6 },
}).Parse(cardText))

// licenses are the Hub's identifiers.
var licenses = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`)

// CheckLicense is an error where the Hub has no license of such a name.
func CheckLicense(name string) error {
	if name != "" && !licenses.MatchString(name) {
		return fmt.Errorf("license %q is no identifier of the Hub, such as apache-2.0", name)
	}
	return nil
}

// source is a text that a run learnt from.
type source struct {
	Name  string // without its folder
	Bytes int64  // 0 where it is not there, or not one file
}

// card is a model's, of which a run's checkpoint knows how it was trained. Where the folder
// that the model came from has one already, that one goes on.
func (m *Model) card(name string, o FolderOptions) (text []byte, err error) {
	if m.path != "" {
		theirs, err := regular.ReadFile(filepath.Join(m.path, checkpoint.CardFile))
		if !errors.Is(err, fs.ErrNotExist) {
			return theirs, err
		}
	}
	content := struct {
		*Model
		FolderOptions
		Name, Config string
		State        *checkpoint.State
		Run          train.RunConfig
		Sources      []source
		Heldout      *train.HeldoutRecord // the last scoring up to the checkpoint
		Tasks        []train.TaskScore
		Parameters   int64
	}{Model: m, FolderOptions: o, Name: name, Parameters: m.Config.ParameterCount()}
	if state, err := checkpoint.ReadState(m.path); m.path != "" && err == nil {
		content.State = &state
		if err := yaml.Unmarshal([]byte(state.Config), &content.Run); err != nil {
			return nil, fmt.Errorf("%s: config: %w", filepath.Join(m.path, checkpoint.StateFile), err)
		}
		for _, s := range content.Run.Data.Train {
			one := source{Name: filepath.Base(s.Path)}
			if info, err := os.Stat(s.Path); err == nil && info.Mode().IsRegular() {
				one.Bytes = info.Size()
			}
			content.Sources = append(content.Sources, one)
		}
		if content.Config, err = portable(state.Config); err != nil {
			return nil, err
		}
		run := filepath.Dir(filepath.Dir(m.path)) // which holds checkpoints/STEP
		if summary, err := train.ReadSummary(run); err == nil && summary.Step == state.Step {
			content.Tasks = summary.Tasks
		}
		if metrics, err := train.ReadMetrics(run); err == nil {
			for _, h := range metrics.Heldout {
				if h.Step <= state.Step && h.HeldoutLoss.Finite() {
					content.Heldout = &h
				}
			}
		}
	}
	var out bytes.Buffer
	err = cardTemplate.Execute(&out, content)
	return out.Bytes(), err
}

// portable is a run's configuration without comments, folders of paths, and the sections
// that are of the machine.
func portable(config string) (string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(config), &document); err != nil || len(document.Content) == 0 {
		return "", err
	}
	root := document.Content[0]
	for i := len(root.Content) - 2; i >= 0; i -= 2 {
		switch root.Content[i].Value {
		case "checkpoint", "device", "run":
			root.Content = append(root.Content[:i], root.Content[i+2:]...)
		}
	}
	var strip func(*yaml.Node)
	strip = func(n *yaml.Node) {
		n.HeadComment, n.LineComment, n.FootComment = "", "", ""
		if filepath.IsAbs(n.Value) {
			n.Value = filepath.Base(n.Value)
		}
		for _, child := range n.Content {
			strip(child)
		}
	}
	strip(root)
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	err := e.Encode(root)
	return out.String(), err
}
