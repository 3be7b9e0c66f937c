package prepare

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"mobilellm/data"
	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// Stdin is the input that stands for standard input.
const Stdin = "-"

// Options say what to make of which text.
type Options struct {
	Inputs    []string  // files, folders, globs, or Stdin
	Stdin     io.Reader // what Stdin reads
	Out       string    // folder of the shards
	Tokenizer *tokenizer.Tokenizer

	Kind      ingest.Kind  // of all inputs; Auto goes by the name
	Split     ingest.Split // of plain text into documents
	Field     string       // of JSON lines
	Column    string       // of parquet files
	Separator string       // between the documents of one text, empty for none
	TokenIDs  bool         // Field holds ids, as the official code's token_ids

	// BOS and EOS are the ids before and behind each document, shard.None for none.
	// Without BOS an EOS opens documents, and stands before the first one too.
	BOS, EOS int32
	// ParseSpecial makes tokens of the texts of special tokens.
	ParseSpecial bool

	ShardTokens   int64    // a shard is ended by the document that reaches so many
	SkipBadFiles  bool     // list a file that breaks off and go on
	Dedup         bool     // leave out exact copies
	NearDedup     float64  // and documents that overlap so much with an earlier one, 0 for none
	Decontaminate []string // benchmark sets

	Workers  int // that encode; 0 is the number of processors
	Progress func(Progress)
}

// Progress is how far the work has come.
type Progress struct {
	Bytes, TotalBytes int64 // of the input files as they lie there; Total is 0 where unknown
	Documents, Tokens int64
	Skipped           int64
	Resumed           bool // shards of an earlier, interrupted run are kept
}

const (
	// DefaultShardTokens makes shards of 256 MB of a vocabulary up to 65,536.
	DefaultShardTokens = 1 << 27
	// wholeText is up to how many bytes a text is looked at as a whole where
	// copies are to be found.
	wholeText = 32 << 20
)

func (o *Options) complete() error {
	switch {
	case len(o.Inputs) == 0:
		return fmt.Errorf("no input")
	case o.Out == "":
		return fmt.Errorf("no output folder")
	case o.ShardTokens < 0:
		return fmt.Errorf("shard size of %d tokens must not be negative", o.ShardTokens)
	case o.NearDedup < 0 || o.NearDedup > 1:
		return fmt.Errorf("near-duplicate threshold (%g) must lie between 0 and 1", o.NearDedup)
	}
	if o.ShardTokens == 0 {
		o.ShardTokens = DefaultShardTokens
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Field == "" {
		o.Field = data.TextField
		if o.TokenIDs {
			o.Field = "token_ids"
		}
	}
	if o.Column == "" {
		o.Column = data.TextField
	}
	for _, id := range []int32{o.BOS, o.EOS} {
		if id != shard.None && (id < 0 || int(id) >= o.Tokenizer.VocabSize()) {
			return fmt.Errorf("separator id %d is outside the vocabulary of %d", id, o.Tokenizer.VocabSize())
		}
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return nil
}

// filtering says whether documents are compared.
func (o *Options) filtering() bool { return o.Dedup || o.NearDedup > 0 || len(o.Decontaminate) > 0 }

// remembering says whether a document's verdict depends on earlier ones.
func (o *Options) remembering() bool { return o.Dedup || o.NearDedup > 0 }

// input is a file, as large and as old as it was when the work began.
type input struct {
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // nanoseconds since 1970

	named bool // by the user, not found in a folder or by a glob
}

// listInputs finds all files in order, without those in a folder leaveOut.
func listInputs(paths []string, leaveOut string) (inputs []input, total int64, err error) {
	for _, path := range paths {
		if path == Stdin {
			inputs = append(inputs, input{Path: Stdin, named: true})
			continue
		}
		if leaveOut != "" && sameFolder(path, leaveOut) {
			return nil, 0, fmt.Errorf("%s is an input and the output\nhint: name another folder with --out", ingest.Clean(path))
		}
		files, err := ingest.Files(path, leaveOut)
		if err != nil {
			return nil, 0, err
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil {
				return nil, 0, err
			}
			inputs = append(inputs, input{file, info.Size(), info.ModTime().UnixNano(), file == path})
			total += info.Size()
		}
	}
	return inputs, total, nil
}

func sameFolder(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// settings is a hash of everything that decides the shards' bytes.
func (o *Options) settings(inputs []input) (string, error) {
	text, err := json.Marshal(struct {
		Inputs        []input
		Tokenizer     string
		Kind          ingest.Kind
		Split         ingest.Split
		Field, Column string
		TokenIDs      bool
		BOS, EOS      int32
		OpensFirst    bool // the EOS before the first document, which older folders lack
		ParseSpecial  bool
		ShardTokens   int64
		SkipBadFiles  bool
		Dedup         bool
		NearDedup     float64
		Decontaminate []string
		Separator     string `json:",omitempty"`
	}{
		inputs, o.Tokenizer.Fingerprint(), o.Kind, o.Split, o.Field, o.Column, o.TokenIDs,
		o.BOS, o.EOS, true, o.ParseSpecial, o.ShardTokens, o.SkipBadFiles, o.Dedup, o.NearDedup, o.Decontaminate, o.Separator,
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}
