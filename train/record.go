package train

import (
	"bytes"
	"path/filepath"

	"mobilellm/checkpoint"
	"mobilellm/configs"
	"mobilellm/internal/atomicfile"
)

// RunFile is the name of a run's resolved configuration in its folder. It loads
// as a configuration.
const RunFile = checkpoint.RunFile

// Record are the facts of a run that are written beside its configuration.
type Record struct {
	Versions        map[string]string `yaml:"versions" help:"Of the program and its libraries."`
	DataFingerprint string            `yaml:"data_fingerprint" help:"Hash of the tokenizer and all training tokens."`
	Device          string            `yaml:"device" help:"What computed."`
	Workers         int               `yaml:"workers" help:"Threads that computed."`
	MicroBatch      int               `yaml:"micro_batch" help:"What train.micro_batch came to."`
	Precision       string            `yaml:"precision" help:"What train.precision came to."`
	Recompute       string            `yaml:"recompute" help:"What train.recompute came to."`
	Teacher         string            `yaml:"teacher" help:"Checksum of the teacher's model, if there is one."`
	Init            string            `yaml:"init" help:"The model that the weights started from, if any."`
}

// yamlText is c as a configuration that loads again.
func (c *RunConfig) yamlText() ([]byte, error) {
	var text bytes.Buffer
	err := configs.Print(&text, c)
	return text.Bytes(), err
}

// writeRun replaces a run's run.yaml at once.
func writeRun(dir string, c *RunConfig) error {
	text, err := c.yamlText()
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, RunFile), text)
}
