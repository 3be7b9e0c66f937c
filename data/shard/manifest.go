package shard

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"mobilellm/internal/regular"
)

// ManifestName is the file that says what a folder of shards holds.
const ManifestName = "manifest.json"

// ManifestVersion is the version that is written and read.
const ManifestVersion = 1

// Manifest is a folder's table of contents. Whoever writes shards may embed it in
// what it keeps of its work.
type Manifest struct {
	Version   int      `json:"version"`
	Complete  bool     `json:"complete"` // nothing is left to write
	Tokenizer string   `json:"tokenizer"`
	Settings  string   `json:"settings"` // hash of what decides the shards' bytes
	Shards    []Record `json:"shards"`   // in the order of the text
}

// Record is a shard of a folder.
type Record struct {
	File      string `json:"file"`
	Tokens    int64  `json:"tokens"`
	Documents int64  `json:"documents"`
	TextBytes int64  `json:"text_bytes"`
	SHA256    string `json:"sha256"` // the checksum of its header
}

func (m *Manifest) contents() *Manifest { return m }

// ReadManifest reads the manifest of a folder into m, a Manifest or a struct that
// embeds one. A folder without one gives fs.ErrNotExist.
func ReadManifest(dir string, m interface{ contents() *Manifest }) error {
	path := filepath.Join(dir, ManifestName)
	text, err := regular.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, m); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if v := m.contents().Version; v != ManifestVersion {
		return fmt.Errorf("%s: version %d, want %d", path, v, ManifestVersion)
	}
	return nil
}
