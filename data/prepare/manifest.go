package prepare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/internal/atomicfile"
)

// Manifest is the state of the work after a shard, and the table of contents
// once it is complete.
type Manifest struct {
	shard.Manifest
	Report Report `json:"report"`

	// Next is where the next shard's text begins.
	Next position `json:"next"`
	// SkippedBytes is the size of skipped.jsonl at that point.
	SkippedBytes int64 `json:"skipped_bytes"`
}

// Report counts what became of the documents.
type Report struct {
	Documents int64            `json:"documents"`
	Tokens    int64            `json:"tokens"`
	TextBytes int64            `json:"text_bytes"`
	Skipped   map[string]int64 `json:"skipped"` // by reason
	// BrokenUTF8 counts the documents with bytes that are not UTF-8; they are
	// encoded as they are.
	BrokenUTF8 int64 `json:"broken_utf8,omitempty"`
	// EndOfTexts is how often the text holds data.EndOfText, where no separator
	// makes documents of what lies between.
	EndOfTexts int64 `json:"end_of_texts,omitempty"`
	// Contaminated counts the documents left out, by benchmark set.
	Contaminated map[string]int64 `json:"contaminated,omitempty"`
}

// position is a document: a file's number and the document's in it.
type position struct {
	File  int   `json:"file"`
	Place int64 `json:"place"`
}

func (p position) before(q position) bool {
	return p.File < q.File || p.File == q.File && p.Place < q.Place
}

func newManifest(tokenizer, settings string) *Manifest {
	return &Manifest{
		Manifest: shard.Manifest{Version: shard.ManifestVersion, Tokenizer: tokenizer, Settings: settings, Shards: []shard.Record{}},
		Report:   Report{Skipped: map[string]int64{}},
	}
}

// ReadManifest reads the manifest of a folder; a folder without one gives
// fs.ErrNotExist.
func ReadManifest(dir string) (*Manifest, error) {
	m := new(Manifest)
	if err := shard.ReadManifest(dir, m); err != nil {
		return nil, err
	}
	return m, nil
}

// write replaces the manifest at once, and makes it last.
func (m *Manifest) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, shard.ManifestName), append(text, '\n'))
}

// resume reads the manifest of earlier work on the same thing and clears away
// what was begun after it; nil where there is none.
func resume(o *Options, settings string) (*Manifest, error) {
	m, err := ReadManifest(o.Out)
	if errors.Is(err, fs.ErrNotExist) {
		shards, err := filepath.Glob(filepath.Join(o.Out, "*"+shard.Extension))
		if err == nil && len(shards) > 0 {
			// Earlier versions wrote the first manifest after the first shard.
			if len(shards) > 1 || filepath.Base(shards[0]) != shard.Name(0) {
				err = fmt.Errorf("folder %s holds %s and no %s\nhint: name another folder", ingest.Clean(o.Out), ingest.Clean(filepath.Base(shards[0])), shard.ManifestName)
			}
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if len(m.Shards) == 0 && !m.Complete {
		return nil, nil // nothing came of it
	}
	if slices.Contains(o.Inputs, Stdin) {
		return nil, fmt.Errorf("folder %s holds shards already, and whether they are of this standard input cannot be told\nhint: name another folder, or remove this one", ingest.Clean(o.Out))
	}
	if m.Settings != settings {
		return nil, fmt.Errorf("folder %s holds shards of other text or settings\nhint: name another folder, or remove this one", ingest.Clean(o.Out))
	}
	for _, s := range m.Shards {
		have, err := shard.Stat(filepath.Join(o.Out, s.File))
		if err != nil {
			return nil, err
		}
		if have.Sum != s.SHA256 {
			return nil, fmt.Errorf("shard %s: checksum %s, the manifest says %s", s.File, have.Sum, s.SHA256)
		}
	}
	return m, nil
}
