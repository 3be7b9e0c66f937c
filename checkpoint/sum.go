package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"

	"mobilellm/internal/regular"
)

// Sum is the SHA-256, in hex, of what decides the model's function: its shape as
// [MarshalConfig] writes it, and its files of weights, byte by byte in their
// order, with those of an adapter. It reads them all.
func (m *Model) Sum() (string, error) {
	config, err := MarshalConfig(m.Config, Meta{Tokens: NoTokens()})
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	sum.Write(config)
	for _, file := range m.weights.files {
		if err := addFile(sum, file.Name()); err != nil {
			return "", fmt.Errorf("%s: %w", file.Name(), err)
		}
	}
	if m.adapter != nil {
		for _, name := range []string{AdapterConfigFile, AdapterWeightsFile} {
			if err := addFile(sum, filepath.Join(m.adapter.Path, name)); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func addFile(to io.Writer, path string) error {
	f, err := regular.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}
