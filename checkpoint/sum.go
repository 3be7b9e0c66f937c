package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"mobilellm/internal/regular"
)

// Sum is the SHA-256, in hex, of what decides the model's function: its shape as
// [MarshalConfig] writes it, and its files of weights, byte by byte in their
// order. It reads them all.
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
