package data

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mobilellm/data/conversation"
	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/internal/regular"
	"mobilellm/tokenizer"
)

// tokenSource is an entry of data.train or data.heldout: token shards, the
// official code's folders of JSON lines of ids, or else text.
type tokenSource struct {
	Source
	kind   conversation.Kind
	shards []string
	ids    []string // files of {"token_ids": […]}
}

func (s tokenSource) tokens() bool { return len(s.shards)+len(s.ids) > 0 }

// converses says whether it is of conversations.
func (s tokenSource) converses() bool { return s.kind != conversation.Text }

// tokenSources are the entries of a configuration.
type tokenSources struct{ train, heldout []tokenSource }

func (t tokenSources) any() bool {
	return slices.ContainsFunc(t.train, tokenSource.tokens) || slices.ContainsFunc(t.heldout, tokenSource.tokens)
}

func findTokens(config Config) (t tokenSources, err error) {
	list := findTokenSource
	if config.old() {
		list = findOldSource
	}
	find := func(s Source) (tokenSource, error) {
		found, err := list(s)
		if found.kind = config.kind(s); err == nil && found.tokens() && found.converses() {
			err = fmt.Errorf("data: %s: token shards are of kind %s, not %s", ingest.Clean(s.Path), conversation.Text, found.kind)
		}
		return found, err
	}
	for _, s := range config.Train {
		found, err := find(s)
		if err != nil {
			return t, err
		}
		t.train = append(t.train, found)
	}
	for _, s := range config.Heldout {
		found, err := find(s)
		if err != nil {
			return t, err
		}
		t.heldout = append(t.heldout, found)
	}
	return t, nil
}

// findTokenSource finds what tokens a path means. A folder of shards must be whole.
func findTokenSource(s Source) (tokenSource, error) { return findSource(s, shard.Folder) }

// findOldSource is the rule of [StartOld]: whatever shards lie in a folder.
func findOldSource(s Source) (tokenSource, error) { return findSource(s, shard.Files) }

func findSource(s Source, list func(dir string) ([]string, error)) (tokenSource, error) {
	found := tokenSource{Source: s}
	info, err := os.Stat(s.Path)
	if err != nil {
		return found, nil // go-source, a glob, or an error that reading will tell
	}
	if !info.IsDir() {
		if filepath.Ext(s.Path) == shard.Extension || shard.IsShard(s.Path) {
			found.shards = []string{s.Path}
		}
		return found, nil
	}
	if found.shards, err = list(s.Path); err != nil {
		return found, fmt.Errorf("data: %w", err)
	}
	if len(found.shards) == 0 {
		found.ids, err = officialFiles(s.Path)
	}
	return found, err
}

// shardPaths lists all shards.
func (t tokenSources) shardPaths() (paths []string) {
	for _, s := range slices.Concat(t.train, t.heldout) {
		paths = append(paths, s.shards...)
	}
	return paths
}

// globEscape takes the meaning from a path's special characters.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// officialFiles lists basepath/N/*.jsonl, N from 1 on, where their lines hold
// token_ids; in the order of N.
func officialFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && e.IsDir() && strconv.Itoa(n) == e.Name() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var files []string
	for _, n := range numbers {
		found, err := filepath.Glob(filepath.Join(globEscape(dir), strconv.Itoa(n), "*.jsonl"))
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 || !holdsIDs(files[0]) {
		return nil, nil
	}
	return files, nil
}

// holdsIDs says whether a file's first line has token_ids.
func holdsIDs(path string) bool {
	f, err := regular.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	line, _ := bufio.NewReader(io.LimitReader(f, 1<<20)).ReadString('\n') // a longer line is told by its beginning
	return strings.Contains(line, `"token_ids"`)
}

// tokenizer is the one that lies beside the first shards.
func (t tokenSources) tokenizer() (*tokenizer.Tokenizer, error) {
	for _, s := range slices.Concat(t.train, t.heldout) {
		if len(s.shards) == 0 {
			continue
		}
		dir := filepath.Dir(s.shards[0])
		files, err := tokenizer.ReadFiles(dir)
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		if files.Has() {
			return tokenizer.Load(dir)
		}
	}
	return nil, fmt.Errorf("data: no tokenizer lies beside the tokens of data.train\nhint: name the one that made them in data.tokenizer")
}
