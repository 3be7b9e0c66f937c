package prepare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"mobilellm/data/ingest"
	"mobilellm/data/shard"
)

const (
	// ManifestName is the file that says what a folder of shards holds.
	ManifestName = "manifest.json"
	// SkippedName is the file that lists what was left out.
	SkippedName = "skipped.jsonl"

	manifestVersion = 1
)

// Manifest is the state of the work after a shard, and the table of contents
// once it is complete.
type Manifest struct {
	Version   int           `json:"version"`
	Complete  bool          `json:"complete"`
	Tokenizer string        `json:"tokenizer"`
	Settings  string        `json:"settings"`
	Shards    []ShardRecord `json:"shards"`
	Report    Report        `json:"report"`

	// Next is where the next shard's text begins.
	Next position `json:"next"`
	// SkippedBytes is the size of skipped.jsonl at that point.
	SkippedBytes int64 `json:"skipped_bytes"`
}

// ShardRecord is a finished shard.
type ShardRecord struct {
	File      string `json:"file"`
	Tokens    int64  `json:"tokens"`
	Documents int64  `json:"documents"`
	TextBytes int64  `json:"text_bytes"`
	SHA256    string `json:"sha256"` // the checksum of its header
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

// ReadManifest reads the manifest of a folder; a folder without one gives
// fs.ErrNotExist.
func ReadManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := new(Manifest)
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(m); err != nil {
		return nil, fmt.Errorf("%s: %w", ingest.Clean(path), err)
	}
	if m.Version != manifestVersion {
		return nil, fmt.Errorf("%s: version %d, want %d", ingest.Clean(path), m.Version, manifestVersion)
	}
	return m, nil
}

// write replaces the manifest at once, and makes it last.
func (m *Manifest) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, ManifestName)
	file, err := os.Create(path + ".partial")
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".partial", path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// resume reads the manifest of earlier work on the same thing and clears away
// what was begun after it; nil where there is none.
func resume(o *Options, settings string) (*Manifest, error) {
	m, err := ReadManifest(o.Out)
	if errors.Is(err, fs.ErrNotExist) {
		shards, err := filepath.Glob(filepath.Join(o.Out, "*"+shard.Extension))
		if err == nil && len(shards) > 0 {
			// The first shard may have been named and its manifest not.
			if len(shards) > 1 || filepath.Base(shards[0]) != shardName(0) {
				err = fmt.Errorf("folder %s holds %s and no %s\nhint: name another folder", ingest.Clean(o.Out), ingest.Clean(filepath.Base(shards[0])), ManifestName)
			}
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if slices.Contains(o.Inputs, Stdin) {
		return nil, fmt.Errorf("folder %s holds shards already, and whether they are of this standard input cannot be told\nhint: name another folder, or remove this one", ingest.Clean(o.Out))
	}
	if m.Settings != settings {
		return nil, fmt.Errorf("folder %s holds shards of other text or settings\nhint: name another folder, or remove this one", ingest.Clean(o.Out))
	}
	for _, s := range m.Shards {
		have, err := shard.Open(filepath.Join(o.Out, s.File))
		if err != nil {
			return nil, err
		}
		sum := have.Sum
		have.Close()
		if sum != s.SHA256 {
			return nil, fmt.Errorf("shard %s: checksum %s, the manifest says %s", s.File, sum, s.SHA256)
		}
	}
	return m, nil
}

func shardName(i int) string { return fmt.Sprintf("tokens-%05d%s", i, shard.Extension) }
