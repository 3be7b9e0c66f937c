package prepare

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"mobilellm/data/dedup"
	"mobilellm/data/ingest"
	"mobilellm/data/shard"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/filelock"
)

// ErrNoText is the error of inputs without a single document.
var ErrNoText = errors.New("no document to tokenize")

// Tokenize does the work that the options describe, or what is left of it. It
// returns the manifest of the folder.
func Tokenize(ctx context.Context, o Options) (_ *Manifest, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	inputs, total, err := listInputs(o.Inputs, o.Out)
	if err != nil {
		return nil, err
	}
	settings, err := o.settings(inputs)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return nil, err
	}
	lock, err := filelock.Hold(filepath.Join(o.Out, filelock.Name), "folder "+ingest.Clean(o.Out))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Remove()) }()
	if err := sweep(o.Out); err != nil {
		return nil, err
	}
	p := &pipeline{Options: &o, memory: newMemory(&o), total: total}
	if len(o.Decontaminate) > 0 {
		var files []string
		for _, path := range o.Decontaminate {
			found, err := ingest.Files(path)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
		if p.tasks, err = dedup.ReadTasks(files); err != nil {
			return nil, err
		}
	}
	p.manifest, err = resume(&o, settings)
	if err != nil {
		return nil, err
	}
	if p.manifest == nil {
		p.manifest = newManifest(o.Tokenizer.Fingerprint(), settings)
		if p.tasks != nil {
			p.manifest.Report.Contaminated = map[string]int64{}
			for _, name := range p.tasks.Names {
				p.manifest.Report.Contaminated[name] = 0
			}
		}
		if err := p.manifest.write(o.Out); err != nil { // from now on the folder says that it is not complete
			return nil, err
		}
	}
	if p.manifest.Complete {
		return p.manifest, nil
	}
	if err := o.Tokenizer.SaveAlone(o.Out); err != nil {
		return nil, err
	}
	p.resumed = len(p.manifest.Shards) > 0
	if err := p.openSkipped(); err != nil {
		return nil, err
	}
	defer p.skipped.Close()
	if err := p.run(ctx, inputs); err != nil {
		if p.writer != nil {
			p.writer.Abort()
		}
		return nil, err
	}
	return p.manifest, nil
}

// sweep removes what a killed process left of files being written.
func sweep(dir string) error {
	earlier, err := filepath.Glob(filepath.Join(dir, "*.partial")) // as earlier versions called them
	for _, path := range earlier {
		err = errors.Join(err, os.Remove(path))
	}
	return errors.Join(err, atomicfile.Sweep(dir))
}

// pipeline is the work under way.
type pipeline struct {
	*Options
	*memory
	tasks    *dedup.Tasks
	manifest *Manifest
	total    int64
	resumed  bool

	source  *source
	writer  *shard.Writer
	skipped *os.File
	list    *bufio.Writer
	listed  int64 // bytes of the list

	begun    bool   // a document's tokens stand in the writer, its end is to come
	textSize int64  // of the document begun
	torn     bool   // it has bytes that are not UTF-8
	marks    int64  // times that it holds data.EndOfText
	bad      string // reason for which the document begun is left out
	first    string // document left out, with the reason
}

// run reads, judges on many processors and writes in order.
func (p *pipeline) run(ctx context.Context, inputs []input) error {
	ctx, stop := context.WithCancel(ctx)
	p.source = &source{Options: p.Options, inputs: inputs, from: p.manifest.Next, ahead: newAhead()}
	work := make(chan *batch)
	order := make(chan *batch, 2*p.Workers) // how far reading may run ahead
	var group sync.WaitGroup
	group.Go(func() {
		defer close(work)
		defer close(order)
		p.source.run(ctx, func(b *batch) bool {
			select {
			case order <- b:
			case <-ctx.Done():
				return false
			}
			select {
			case work <- b:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	for range p.Workers {
		group.Go(func() {
			for b := range work {
				b.items = p.judged(b.items)
				close(b.done)
			}
		})
	}
	defer group.Wait()
	defer stop()
	for b := range order {
		select {
		case <-b.done:
		case <-ctx.Done():
			return fmt.Errorf("tokenizing: %w", context.Cause(ctx))
		}
		for i := range b.items {
			if err := p.take(&b.items[i]); err != nil {
				return err
			}
		}
		p.source.ahead.release(b.bytes)
		p.Progress(p.progress())
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("tokenizing: %w", err)
	}
	return p.end(position{File: len(inputs)})
}

func (p *pipeline) progress() Progress {
	report := p.manifest.Report
	progress := Progress{
		Bytes: p.source.read.Load(), TotalBytes: p.total, Resumed: p.resumed,
		Documents: report.Documents, Tokens: report.Tokens,
	}
	for _, n := range report.Skipped {
		progress.Skipped += n
	}
	return progress
}

// take writes one record, or lists why not.
func (p *pipeline) take(it *item) error {
	if it.fileErr != nil {
		return p.takeBroken(it)
	}
	p.copies(it)
	if it.replayed {
		return nil
	}
	if it.First {
		p.bad, p.textSize, p.torn, p.marks = "", 0, false, 0
	}
	if it.reason != "" && p.bad == "" {
		p.bad = it.reason
		if err := p.drop(); err != nil {
			return err
		}
		if err := p.skip(it); err != nil {
			return err
		}
	}
	if p.bad == "" {
		if err := p.write(it); err != nil {
			return err
		}
	}
	if it.Last && !it.more && p.writer != nil && p.writer.Tokens() >= p.ShardTokens {
		return p.commit(position{it.at.File, it.at.Place + 1}, false)
	}
	return nil
}

// takeBroken lists a file that broke off or is no text, or ends the work.
func (p *pipeline) takeBroken(it *item) error {
	if it.ends {
		return fmt.Errorf("%w\nhint: --skip-bad-files goes on without the rest of such a file and lists it", it.fileErr)
	}
	it.First, it.Last = true, true
	it.leaveOut(ingest.SkipFile(it.Name, it.fileErr))
	if err := p.drop(); err != nil {
		return err
	}
	return p.skip(it)
}

// write appends a record's tokens to the shard.
func (p *pipeline) write(it *item) error {
	if p.writer == nil {
		meta := shard.Meta{
			Width: shard.WidthFor(p.Tokenizer.VocabSize()), Vocab: p.Tokenizer.VocabSize(),
			BOS: p.BOS, EOS: p.EOS, Tokenizer: p.Tokenizer.Fingerprint(),
		}
		var err error
		if p.writer, err = shard.Create(filepath.Join(p.Out, shard.Name(len(p.manifest.Shards))), meta); err != nil {
			return err
		}
	}
	if it.First {
		if err := p.writer.Append(p.opening()); err != nil {
			return err
		}
	}
	if err := p.writer.Append(it.ids); err != nil {
		return err
	}
	p.begun = true
	p.textSize += it.textBytes
	p.marks += it.endOfTexts
	p.torn = p.torn || it.broken
	if !it.Last {
		return nil
	}
	if p.EOS != shard.None {
		if err := p.writer.Append([]int32{p.EOS}); err != nil {
			return err
		}
	}
	before := p.writer.Tokens()
	p.writer.EndDocument(p.textSize)
	report := &p.manifest.Report
	report.Documents++
	report.TextBytes += p.textSize
	report.EndOfTexts += p.marks
	if p.torn {
		report.BrokenUTF8++
	}
	report.Tokens += p.writer.Tokens() - before
	p.begun = false
	return nil
}

// opening is what stands before a document: nothing where the EOS of the one before
// opens it.
func (p *pipeline) opening() []int32 {
	switch {
	case p.BOS != shard.None:
		return []int32{p.BOS}
	case p.EOS != shard.None && p.manifest.Report.Documents == 0:
		return []int32{p.EOS}
	}
	return nil
}

// drop takes back the document begun.
func (p *pipeline) drop() error {
	if !p.begun {
		return nil
	}
	p.begun = false
	return p.writer.DropDocument()
}

// openSkipped opens the list of what is left out, as long as it was at the
// last finished shard.
func (p *pipeline) openSkipped() error {
	file, err := os.OpenFile(filepath.Join(p.Out, ingest.SkippedName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	p.listed = p.manifest.SkippedBytes
	if err := file.Truncate(p.listed); err != nil {
		file.Close()
		return err
	}
	if _, err := file.Seek(p.listed, 0); err != nil {
		file.Close()
		return err
	}
	p.skipped, p.list = file, bufio.NewWriter(file)
	return nil
}

// skip counts and lists a document that is left out.
func (p *pipeline) skip(it *item) error {
	report := &p.manifest.Report
	report.Skipped[it.reason]++
	if p.first == "" {
		p.first = fmt.Sprintf("%s: %s", ingest.Clean(it.Name), it.detail)
	}
	if it.reason == reasonContaminated {
		report.Contaminated[p.tasks.Names[it.task]]++
	}
	line, err := json.Marshal(ingest.Skipped{Document: it.Name, Reason: it.reason, Detail: it.detail})
	if err != nil {
		return err
	}
	n, err := p.list.Write(append(line, '\n'))
	p.listed += int64(n)
	return err
}

// commit ends a shard and makes the state last.
func (p *pipeline) commit(next position, complete bool) error {
	if p.writer != nil {
		info, err := p.writer.Finish()
		p.writer = nil
		if err != nil {
			return err
		}
		p.manifest.Shards = append(p.manifest.Shards, shard.Record{
			File: shard.Name(len(p.manifest.Shards)), Tokens: info.Tokens, Documents: info.Documents, TextBytes: info.TextBytes, SHA256: info.Sum,
		})
	}
	if err := errors.Join(p.list.Flush(), p.skipped.Sync()); err != nil {
		return err
	}
	p.manifest.Next, p.manifest.SkippedBytes, p.manifest.Complete = next, p.listed, complete
	return p.manifest.write(p.Out)
}

// end finishes the last shard.
func (p *pipeline) end(next position) error {
	if err := p.drop(); err != nil {
		return err
	}
	if p.manifest.Report.Documents == 0 {
		if err := p.list.Flush(); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s", ErrNoText, p.whySkipped())
	}
	if p.writer != nil && p.writer.Documents() == 0 {
		p.writer.Abort()
		p.writer = nil
	}
	return p.commit(next, true)
}

func (p *pipeline) whySkipped() string {
	var total int64
	for _, n := range p.manifest.Report.Skipped {
		total += n
	}
	switch {
	case total == 0:
		return "the input holds no text"
	case p.first == "": // by work that was interrupted
		return fmt.Sprintf("all %d documents were left out, see %s", total, ingest.SkippedName)
	}
	return fmt.Sprintf("all %d documents were left out, see %s; the first is %s", total, ingest.SkippedName, p.first)
}
