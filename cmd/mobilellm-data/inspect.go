package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"mobilellm/data"
	"mobilellm/data/shard"
	"mobilellm/internal/cli"
	"mobilellm/tokenizer"
)

func newInspect() *cobra.Command {
	var tokenizer string
	var samples int
	var asJSON, isChat bool
	chats := data.DefaultConfig()
	c := &cobra.Command{
		Use:   "inspect DIR|SHARD...",
		Short: "Show what token shards hold, or with --chat what conversations teach",
		Long: `Show counts, lengths of documents, tokens a byte, the use of BOS and EOS, and
decoded samples of token shards.

With --chat the arguments are files and folders of conversations (.jsonl, .json,
.parquet) for mobilellm-train, rendered as it would: samples show what the model
learns to say between ⟦ and ⟧, and what is left out, or cut off behind --seq
tokens, is counted.`,
		Args: cli.SomeArguments("DIR or SHARD"),
		RunE: func(c *cobra.Command, args []string) error {
			if isChat {
				chats.Train = data.Texts(args...)
				return inspectChat(c, chats, tokenizer, samples, asJSON)
			}
			for _, flag := range chatFlags {
				if c.Flags().Changed(flag) {
					return cli.Usagef("--%s goes with --chat", flag)
				}
			}
			shards, err := openShards(args)
			if err != nil {
				return err
			}
			defer closeShards(shards)
			tok, err := shardTokenizer(tokenizer, shards)
			if err != nil {
				return err
			}
			s := summarize(shards, tok, samples)
			if asJSON {
				return cli.PrintJSON(c.OutOrStdout(), s)
			}
			return s.print(c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&tokenizer, "tokenizer", "", "for the samples (the one beside the shards)")
	c.Flags().IntVar(&samples, "samples", 3, "documents to show the beginning of")
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	c.Flags().BoolVar(&isChat, "chat", false, "the arguments are conversations; --tokenizer names a model, a run or a tokenizer")
	addChatFlags(c, &chats)
	return c
}

func newVerify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify DIR|SHARD...",
		Short: "Check every checksum and token, and that folders are whole",
		Long:  "Read all of token shards: checksums must be right, every token must be of the\nvocabulary and of the tokenizer beside the shards, and folders must be whole.",
		Args:  cli.SomeArguments("DIR or SHARD"),
		RunE: func(c *cobra.Command, args []string) error {
			shards, err := openShards(args)
			if err != nil {
				return err
			}
			defer closeShards(shards)
			var failed []error
			var tokens int64
			for i, s := range shards {
				if i == 0 || filepath.Dir(s.Path) != filepath.Dir(shards[i-1].Path) {
					failed = append(failed, verify(shards[i:]))
				}
				tokens += s.Tokens
			}
			if err := errors.Join(failed...); err != nil {
				return err
			}
			if asJSON {
				return cli.PrintJSON(c.OutOrStdout(), map[string]int64{"shards": int64(len(shards)), "tokens": tokens})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d shards with %d tokens are sound\n", len(shards), tokens)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}

// verify reads all of the shards of the first one's folder, up to one of another. Their
// tokens must be of the tokenizer that lies there, as of their own vocabulary.
func verify(shards []*shard.Shard) error {
	dir := filepath.Dir(shards[0].Path)
	if i := slices.IndexFunc(shards, func(s *shard.Shard) bool { return filepath.Dir(s.Path) != dir }); i > 0 {
		shards = shards[:i]
	}
	tok, err := shardTokenizer("", shards)
	failed := []error{err}
	for _, s := range shards {
		vocab := s.Vocab
		if tok != nil {
			vocab = tok.VocabSize()
		}
		failed = append(failed, s.VerifyWithin(vocab))
	}
	return errors.Join(failed...)
}

// openShards opens shards and those of folders, which must be whole.
func openShards(args []string) ([]*shard.Shard, error) {
	var shards []*shard.Shard
	for _, arg := range args {
		paths := []string{arg}
		info, err := os.Stat(arg)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s does not exist", arg)
		}
		if err == nil && info.IsDir() {
			paths, err = shard.Folder(arg)
			if err == nil && len(paths) == 0 {
				err = fmt.Errorf("folder %s holds no token shard (*%s)", arg, shard.Extension)
			}
		}
		for _, path := range paths {
			if err != nil {
				break
			}
			var s *shard.Shard
			if s, err = shard.Open(path); err == nil {
				shards = append(shards, s)
			}
		}
		if err != nil {
			closeShards(shards)
			return nil, err
		}
	}
	return shards, nil
}

func closeShards(shards []*shard.Shard) {
	for _, s := range shards {
		s.Close()
	}
}

// shardTokenizer is the one named or the one beside the shards; nil where
// there is none.
func shardTokenizer(name string, shards []*shard.Shard) (*tokenizer.Tokenizer, error) {
	var tok *tokenizer.Tokenizer
	var err error
	if name != "" {
		tok, err = openTokenizer(name)
	} else if dir := filepath.Dir(shards[0].Path); hasTokenizer(dir) {
		tok, err = tokenizer.Load(dir)
	}
	if err != nil || tok == nil {
		return nil, err
	}
	for _, s := range shards {
		if s.Tokenizer != tok.Fingerprint() {
			return nil, fmt.Errorf("shard %s was made with tokenizer %s, not with %s", s.Path, s.Tokenizer, tok.Fingerprint())
		}
	}
	return tok, nil
}

func hasTokenizer(dir string) bool {
	for _, name := range []string{"tokenizer.model", "tokenizer.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// summary is what inspect shows.
type summary struct {
	Shards        int      `json:"shards"`
	Documents     int64    `json:"documents"`
	Tokens        int64    `json:"tokens"`
	TextBytes     int64    `json:"text_bytes"`
	TokensPerByte float64  `json:"tokens_per_byte"`
	Vocab         int      `json:"vocab"`
	Used          int      `json:"used_ids"`                // different ids that occur
	Outside       int64    `json:"outside_vocab,omitempty"` // tokens that the vocabulary does not have
	Tokenizer     string   `json:"tokenizer"`
	BytesPerToken int      `json:"bytes_per_token"`
	BOS           int32    `json:"bos"`
	EOS           int32    `json:"eos"`
	BOSCount      int64    `json:"bos_count"`
	EOSCount      int64    `json:"eos_count"`
	Lengths       lengths  `json:"document_tokens"`
	Samples       []sample `json:"samples"`
}

// lengths of documents in tokens.
type lengths struct {
	Min    int64 `json:"min"`
	P10    int64 `json:"p10"`
	Median int64 `json:"median"`
	P90    int64 `json:"p90"`
	Max    int64 `json:"max"`
}

type sample struct {
	Shard    string  `json:"shard"`
	Document int64   `json:"document"`
	Tokens   int64   `json:"tokens"`
	IDs      []int32 `json:"ids"`
	Text     string  `json:"text"`
}

const sampleTokens = 40

func summarize(shards []*shard.Shard, tok *tokenizer.Tokenizer, samples int) *summary {
	first := shards[0]
	s := &summary{Shards: len(shards), Vocab: first.Vocab, Tokenizer: first.Tokenizer, BytesPerToken: first.Width, BOS: first.BOS, EOS: first.EOS, Samples: []sample{}}
	var used []bool
	var sizes []int64
	for _, in := range shards {
		s.Documents += in.Documents
		s.Tokens += in.Tokens
		s.TextBytes += in.TextBytes
		block := make([]int32, 1<<14)
		for at := int64(0); at < in.Tokens; at += int64(len(block)) {
			part := block[:min(int64(len(block)), in.Tokens-at)]
			in.Read(part, at)
			for _, id := range part {
				switch {
				case id < 0 || int(id) >= in.Vocab:
					s.Outside++
				case int(id) >= len(used):
					used = append(used, make([]bool, int(id)+1-len(used))...)
					fallthrough
				default:
					used[id] = true
				}
				if id == s.BOS {
					s.BOSCount++
				}
				if id == s.EOS {
					s.EOSCount++
				}
			}
		}
		for i := range in.Documents {
			from, to := in.Document(i)
			sizes = append(sizes, to-from)
		}
	}
	for _, u := range used {
		if u {
			s.Used++
		}
	}
	s.TokensPerByte = float64(s.Tokens) / float64(max(s.TextBytes, 1))
	if len(sizes) > 0 {
		slices.Sort(sizes)
		at := func(share float64) int64 { return sizes[int(share*float64(len(sizes)-1))] }
		s.Lengths = lengths{at(0), at(0.1), at(0.5), at(0.9), at(1)}
	}
	for i := range int64(samples) {
		number := s.Documents * i / int64(max(samples, 1)) // spread evenly
		for _, in := range shards {
			if number < in.Documents {
				s.Samples = append(s.Samples, showDocument(in, number, tok))
				break
			}
			number -= in.Documents
		}
	}
	return s
}

func showDocument(in *shard.Shard, number int64, tok *tokenizer.Tokenizer) sample {
	from, to := in.Document(number)
	ids := make([]int32, min(to-from, sampleTokens))
	in.Read(ids, from)
	s := sample{Shard: filepath.Base(in.Path), Document: number, Tokens: to - from, IDs: ids}
	if tok != nil {
		s.Text = string(tok.Decode(ids))
	}
	return s
}

func (s *summary) print(w io.Writer) error {
	fmt.Fprintf(w, "shards      %d, %d bytes a token\n", s.Shards, s.BytesPerToken)
	fmt.Fprintf(w, "tokenizer   %s, %d ids, %d of them used\n", s.Tokenizer, s.Vocab, s.Used)
	if s.Outside > 0 {
		fmt.Fprintf(w, "outside     %d tokens are not of the vocabulary; mobilellm-data verify names the first\n", s.Outside)
	}
	fmt.Fprintf(w, "documents   %d\n", s.Documents)
	fmt.Fprintf(w, "tokens      %d\n", s.Tokens)
	fmt.Fprintf(w, "text        %d bytes, %.3f tokens a byte\n", s.TextBytes, s.TokensPerByte)
	l := s.Lengths
	fmt.Fprintf(w, "lengths     %d to %d tokens, median %d, a tenth up to %d, a tenth from %d on\n", l.Min, l.Max, l.Median, l.P10, l.P90)
	for _, special := range []struct {
		name  string
		id    int32
		count int64
	}{{"BOS", s.BOS, s.BOSCount}, {"EOS", s.EOS, s.EOSCount}} {
		if special.id == shard.None {
			fmt.Fprintf(w, "%s         not used\n", special.name)
			continue
		}
		fmt.Fprintf(w, "%s         id %d, %d times for %d documents\n", special.name, special.id, special.count, s.Documents)
	}
	for _, sample := range s.Samples {
		fmt.Fprintf(w, "\n%s, document %d, %d tokens:\n", sample.Shard, sample.Document, sample.Tokens)
		fmt.Fprintf(w, "  %v\n", sample.IDs)
		if sample.Text != "" {
			fmt.Fprintf(w, "  %q\n", sample.Text)
		}
	}
	return nil
}
