package data

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/tokenizer"
)

// tokenSource is an entry of data.train or data.heldout: token shards, the
// official code's folders of JSON lines of ids, or else text.
type tokenSource struct {
	Source
	shards []string
	ids    []string // files of {"token_ids": […]}
}

func (s tokenSource) tokens() bool { return len(s.shards)+len(s.ids) > 0 }

// tokenSources are the entries of a configuration.
type tokenSources struct{ train, heldout []tokenSource }

func (t tokenSources) any() bool {
	return slices.ContainsFunc(t.train, tokenSource.tokens) || slices.ContainsFunc(t.heldout, tokenSource.tokens)
}

func findTokens(config Config) (t tokenSources, err error) {
	find := findTokenSource
	if config.old() {
		find = findOldSource
	}
	for _, s := range config.Train {
		found, err := find(s)
		if err != nil {
			return t, err
		}
		t.train = append(t.train, found)
	}
	for _, path := range config.Heldout {
		found, err := find(Source{Path: path})
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
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
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

// loadTokens fills the set from sources of which some are tokens already.
func (set *Set) loadTokens(ctx context.Context, config Config, options LoadOptions, tok *tokenizer.Tokenizer, sources tokenSources) (err error) {
	set.Tokenizer = tok
	set.Train, set.Heldout = newMemory(tok), newMemory(tok)
	defer func() {
		if err != nil {
			set.Train.Close()
			set.Heldout.Close()
		}
	}()
	var named []Document
	for _, s := range sources.heldout {
		docs, report, err := set.Heldout.load(ctx, config.encoding(tok), s, config.reading(options))
		set.Read.add(report)
		if err != nil {
			return fmt.Errorf("held-out text: %w", err)
		}
		named = append(named, docs...)
	}
	var parts []part
	for _, s := range sources.train {
		from := set.Train.Len()
		if err := set.loadSource(ctx, config, options, s, len(config.Heldout) == 0, named); err != nil {
			return err
		}
		parts = append(parts, part{s.Path, from, set.Train.Len()})
	}
	if set.Train.Len() == 0 || set.Heldout.Len() == 0 {
		return fmt.Errorf("data: %d training and %d held-out tokens", set.Train.Len(), set.Heldout.Len())
	}
	set.Train.seal(tok)
	set.Heldout.seal(tok)
	set.Read.Documents = len(set.Train.docs) + len(set.Heldout.docs)
	set.Read.Bytes = set.Train.textBytes + set.Heldout.textBytes
	set.Notes = append(set.Notes, set.Read.Notes()...)
	if config.mixes() {
		set.Train.mix(config, parts)
	}
	return set.checkLength(config)
}

// loadSource adds one source to the training side, and where none is named its
// end, or some of its texts, to the held-out side.
func (set *Set) loadSource(ctx context.Context, config Config, options LoadOptions, s tokenSource, split bool, named []Document) error {
	if s.tokens() {
		before := set.Train.mark()
		_, report, err := set.Train.load(ctx, config.encoding(set.Tokenizer), s, config.reading(options))
		set.Read.add(report)
		if err != nil || !split {
			return err
		}
		return set.splitTokens(before, config.HeldoutFraction, s.Path)
	}
	var text Set
	var train, heldout []Document
	var err error
	if split {
		train, heldout, err = text.readText(ctx, Config{Train: Sources{s.Source}, HeldoutFraction: config.HeldoutFraction}, config.reading(options))
	} else {
		train, err = text.readTraining(ctx, s.Source, named, config.reading(options))
	}
	if err != nil {
		return err
	}
	set.Read.add(text.Read)
	set.Notes = append(set.Notes, text.Notes...)
	encoding := config.encoding(set.Tokenizer)
	encoding.Progress = options.encodeProgress()
	corpus, err := BuildCorpus(ctx, train, encoding)
	if err != nil {
		return err
	}
	set.Train.addCorpus(corpus)
	if len(heldout) == 0 {
		return nil
	}
	if corpus, err = BuildCorpus(ctx, heldout, config.encoding(set.Tokenizer)); err != nil {
		return err
	}
	set.Heldout.addCorpus(corpus)
	return nil
}

// readTraining reads a source of text without the documents that are held out.
func (set *Set) readTraining(ctx context.Context, s Source, heldout []Document, how Reading) ([]Document, error) {
	docs, report, err := readText(ctx, s, how)
	if err != nil {
		return nil, err
	}
	set.Read = report
	rest, shared := WithoutHeldout(docs, heldout)
	if shared > 0 {
		set.Notes = append(set.Notes, fmt.Sprintf("data: %d documents of %s are also in data.heldout and are not trained on", shared, ingest.Clean(s.Path)))
	}
	return rest, nil
}

// readText reads a source of text; of the Go tree the training side.
func readText(ctx context.Context, s Source, how Reading) ([]Document, ReadReport, error) {
	if s.Path == GoSourceName {
		docs, _, err := GoSource(ctx)
		return docs, ReadReport{Files: len(docs)}, err
	}
	return ReadSources(ctx, []Source{s}, how)
}

// load adds a held-out or training source and returns the documents of text.
func (m *Memory) load(ctx context.Context, e Encoding, s tokenSource, how Reading) (docs []Document, report ReadReport, err error) {
	for i, path := range s.shards {
		if err := ctx.Err(); err != nil {
			return nil, report, fmt.Errorf("reading %s: %w", ingest.Clean(path), err)
		}
		if err := m.addShard(path, e, i > 0); err != nil {
			return nil, report, err
		}
	}
	for _, path := range s.ids {
		if err := m.addIDs(ctx, path, e, &report); err != nil {
			return nil, report, err
		}
	}
	if s.tokens() {
		return nil, report, nil
	}
	if s.Path == GoSourceName {
		_, docs, err = GoSource(ctx)
	} else {
		docs, report, err = ReadSources(ctx, []Source{s.Source}, how)
	}
	if err != nil {
		return nil, report, err
	}
	corpus, err := BuildCorpus(ctx, docs, e)
	if err != nil {
		return nil, report, err
	}
	m.addCorpus(corpus)
	return docs, report, nil
}

// addShard maps a shard, of which it checks every byte, so that a corrupt one, or one
// with ids that the model lacks, is told before training begins; follows says that it
// goes on from the shard that was added last.
func (m *Memory) addShard(path string, e Encoding, follows bool) error {
	s, err := shard.Open(path)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	m.closers = append(m.closers, s)
	tok := e.Tokenizer
	if s.Tokenizer != tok.Fingerprint() {
		return fmt.Errorf("data: shard %s was made with tokenizer %s, data.tokenizer is %s\nhint: name the tokenizer that made it, or make shards anew with mobilellm-data tokenize", ingest.Clean(path), s.Tokenizer, tok.Fingerprint())
	}
	if err := s.VerifyWithin(e.vocab()); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if s.Tokens == 0 {
		return nil
	}
	for i := range s.Documents {
		from, to := s.Document(i)
		if to <= from {
			continue
		}
		if !e.Old && s.BOS == shard.None && s.EOS != shard.None && (from > 0 || follows) {
			from-- // the EOS of the document before opens this one
		}
		m.docs = append(m.docs, m.tokens+from)
	}
	m.textBytes += s.TextBytes
	m.print += s.Sum
	m.shards = append(m.shards, s.Sum)
	m.add(segment{short: s.Short(), long: s.Long()})
	return nil
}

// addIDs reads a file of the official code: each line is a document of ids, to
// which nothing is added. Lines that cannot be read are counted in the report.
func (m *Memory) addIDs(ctx context.Context, path string, e Encoding, report *ReadReport) error {
	in, err := ingest.Open(path, ingest.Options{})
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	defer in.Close()
	tokens, t := segment{}, new(tally)
	if e.Tokenizer.VocabSize() > 1<<16 {
		tokens.long = []uint32{}
	}
	for {
		record, err := in.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("data: %w", err)
		}
		var ids []int32
		t.All++
		if ids, record.Err = record.TokenIDs("token_ids"); record.Err != nil {
			t.count(record)
			continue
		}
		if err := e.check(record.Name, ids); err != nil {
			return err
		}
		if len(ids) == 0 {
			continue
		}
		m.docs = append(m.docs, m.tokens+tokens.len())
		tokens.append(ids)
	}
	report.addFile(path, t)
	if tokens.len() == 0 && t.Bad > 0 {
		return fmt.Errorf("data: %w", t.nothing(path))
	}
	if tokens.len() == 0 {
		return nil
	}
	m.print += tokens.sum("")
	m.others = true
	at := m.tokens
	m.add(tokens)
	m.textBytes += m.TextBytes(at, m.tokens)
	return nil
}

// addCorpus appends the tokens of another corpus.
func (m *Memory) addCorpus(c *Memory) {
	for _, at := range c.docs {
		m.docs = append(m.docs, m.tokens+at)
	}
	for _, s := range c.segments {
		m.add(s)
	}
	m.textBytes += c.textBytes
	m.print += c.print
	m.others = true
}

// seal hashes what the parts' fingerprints were gathered to.
func (m *Memory) seal(tok *tokenizer.Tokenizer) {
	sum := sha256.Sum256([]byte(tok.Fingerprint() + m.print))
	m.print = hex.EncodeToString(sum[:8])
}

// mix makes the corpus a mixture of parts.
func (m *Memory) mix(config Config, parts []part) {
	if len(parts) == 0 {
		return
	}
	mixed := &mixture{parts: parts}
	if len(config.Stages) == 0 || config.Stages[0].AfterTokens > 0 {
		weights, _ := config.weights()
		mixed.stages = append(mixed.stages, Stage{0, weights})
	}
	mixed.stages = append(mixed.stages, config.Stages...)
	m.mixture = mixed
}
