package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"mobilellm/internal/atomicfile"
	"mobilellm/train"
)

const (
	// SweepFile is the list of members in a sweep's folder.
	SweepFile    = "sweep.json"
	sweepVersion = 1
	// teacherPrefix marks a teacher that is a member; its checkpoint's path is known
	// only where the sweep lies.
	teacherPrefix = "member:"
)

// Sweep is a scale of an experiment with every member resolved: sweep.json.
type Sweep struct {
	Version int      `json:"version"`
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Source  string   `json:"source"`
	Scale   string   `json:"scale"`
	Members []Member `json:"members"` // what others need trained before them
}

// Member is a run of a sweep.
type Member struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"` // shared by those that differ in their seed alone
	Group      string             `json:"group,omitempty"`
	Baseline   bool               `json:"baseline,omitempty"`
	Against    string             `json:"against,omitempty"` // name
	Seed       uint64             `json:"seed"`
	Teacher    string             `json:"teacher,omitempty"` // id
	Init       string             `json:"init,omitempty"`    // id
	Parameters int64              `json:"parameters"`
	Steps      int64              `json:"steps"`
	FLOPs      float64            `json:"flops"` // of the whole run
	Paper      map[string]float64 `json:"paper,omitempty"`
	Config     string             `json:"config"` // the run's, as YAML
}

// earlier are the members that it needs trained, by what they are to it.
func (m Member) earlier() []need {
	var list []need
	if m.Teacher != "" {
		list = append(list, need{"teacher", m.Teacher})
	}
	if m.Init != "" && m.Init != m.Teacher {
		list = append(list, need{"initial model", m.Init})
	}
	return list
}

type need struct{ what, id string }

// Label names a member and its seed.
func (m Member) Label() string { return fmt.Sprintf("%s, seed %d", m.Name, m.Seed) }

// run is the member's configuration.
func (m Member) run() (train.RunConfig, error) {
	c := train.DefaultRun()
	if err := yaml.Unmarshal([]byte(m.Config), &c); err != nil {
		return c, fmt.Errorf("configuration of member %s: %w", m.ID, err)
	}
	return c, nil
}

// Member is the member of that id, nil where there is none.
func (s *Sweep) Member(id string) *Member {
	for i := range s.Members {
		if s.Members[i].ID == id {
			return &s.Members[i]
		}
	}
	return nil
}

// trained is the member of that name with the seed, or its only one.
func (s *Sweep) trained(what, name string, seed uint64) (*Member, error) {
	var found []*Member
	for i := range s.Members {
		m := &s.Members[i]
		if m.Name == name && m.Seed == seed {
			return m, nil
		}
		if m.Name == name {
			found = append(found, m)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return nil, fmt.Errorf("%s %q is trained with %d seeds, none of which is %d", what, name, len(found), seed)
}

// Save writes the sweep into its folder. Runs of members that the folder's sweep
// had and this one has not stay where they are.
func (s *Sweep) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("sweep folder: %w", err)
	}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, SweepFile), append(raw, '\n')); err != nil {
		return fmt.Errorf("sweep folder: %w", err)
	}
	return nil
}

// Open reads the sweep in a folder.
func Open(dir string) (*Sweep, error) {
	path := filepath.Join(dir, SweepFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no sweep: %w\nhint: mobilellm-sweep run starts one", dir, err)
	}
	if err != nil {
		return nil, err
	}
	s := new(Sweep)
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.Version != sweepVersion {
		return nil, fmt.Errorf("%s: version (%d) is not supported: this program reads version %d", path, s.Version, sweepVersion)
	}
	return s, nil
}
