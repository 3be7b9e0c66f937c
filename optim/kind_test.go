package optim

import (
	"reflect"
	"strings"
	"testing"

	"mobilellm/internal/choices"
)

// An optimizer or a type of moments that something does not know is an error, and
// nothing else's.
func TestUnknownOptimizer(t *testing.T) {
	for _, test := range []struct {
		edit func(c *Config)
		want string
	}{
		{func(c *Config) { c.Name = "lion" }, `optim.name ("lion") must be ` + choices.Of(Names())},
		{func(c *Config) { c.Name = "" }, `optim.name ("") must be ` + choices.Of(Names())},
		{func(c *Config) { c.Moments = "int8" }, `optim.moments ("int8") must be float32 or bf16`},
	} {
		c := Default()
		test.edit(&c)
		_, newErr := New(c, nil, Serial())
		_, bytesErr := c.StateBytes(false)
		for what, err := range map[string]error{"Validate": c.Validate(), "New": newErr, "StateBytes": bytesErr} {
			if err == nil || err.Error() != test.want {
				t.Errorf("%s: error is %v, want %s", what, err, test.want)
			}
		}
	}
	c := Default()
	c.Name = "lion"
	if names, err := c.MomentNames(false); err == nil {
		t.Errorf("an unknown optimizer keeps %v", names)
	}
	c = Default()
	c.Moments = "int8"
	if _, err := newAdam(c, nil, Serial(), decoupled); err == nil || !strings.Contains(err.Error(), `"int8"`) {
		t.Errorf("adam of unknown moments: %v", err)
	}
}

// What an optimizer says that it keeps is what it has.
func TestMomentNames(t *testing.T) {
	for _, name := range Names() {
		for _, moments := range []string{MomentsFloat32, MomentsBF16} {
			for _, momentum := range []float64{0, 0.9} {
				c := Default()
				c.Name, c.Moments, c.Momentum = name, moments, momentum
				if c.Validate() != nil {
					continue // float32 only
				}
				const n = 3
				params := []Param{{Name: "a"}, {Name: "matrix", Hidden: [2]int{1, n}}, {Name: "b"}}
				for i := range params {
					params[i].Value, params[i].Grad = make([]float32, n), make([]float32, n)
				}
				opt, err := New(c, params, Serial())
				if err != nil {
					t.Fatal(err)
				}
				var got, want []string
				var kept, planned int64
				for _, s := range opt.State() {
					got = append(got, s.Name)
					kept += 4*int64(len(s.Data)) + 2*int64(len(s.BF16))
				}
				for _, p := range params {
					hidden := p.Hidden != [2]int{}
					names, err := c.MomentNames(hidden)
					if err != nil {
						t.Fatal(err)
					}
					for _, moment := range names {
						want = append(want, moment+"."+p.Name)
					}
					bytes, err := c.StateBytes(hidden)
					if err != nil {
						t.Fatal(err)
					}
					planned += n * bytes
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s, momentum %v: keeps %v, says %v", name, momentum, got, want)
				}
				if kept != planned {
					t.Errorf("%s, moments %s, momentum %v: three parameters of %d weights keep %d bytes, says %d", name, moments, momentum, n, kept, planned)
				}
			}
		}
	}
}

// The help of optim.name explains every name that it takes.
func TestHelpListsOptimizers(t *testing.T) {
	f, _ := reflect.TypeFor[Config]().FieldByName("Name")
	for _, name := range Names() {
		if !strings.Contains(f.Tag.Get("help"), name) {
			t.Errorf("help is %q, without %s", f.Tag.Get("help"), name)
		}
	}
}
