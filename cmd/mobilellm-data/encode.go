package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"mobilellm/internal/cli"
	"mobilellm/tokenizer"
)

func newEncode() *cobra.Command {
	var path string
	var whole, jsonLines, parseSpecial bool
	c := &cobra.Command{
		Use:                   "encode --tokenizer FILE [--whole | --json-lines] [--parse-special]",
		DisableFlagsInUseLine: true,
		Short:                 "Turn lines of standard input into lines of ids",
		Long: `Turn each line of standard input into a line of ids with blanks between, as
spm_encode --output_format=id does.`,
		Args: cli.NoArguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			tok, err := openTokenizer(path)
			if err != nil {
				return err
			}
			encode := func(dst []int32, text []byte) []int32 {
				return tok.AppendPart(dst, text, tokenizer.Part{First: true, Last: true, Ordinary: !parseSpecial})
			}
			out := bufio.NewWriterSize(c.OutOrStdout(), 1<<16)
			if whole && jsonLines {
				return errWholeJSON
			}
			lines := encodeLines
			switch {
			case whole:
				lines = encodeWhole
			case jsonLines:
				lines = encodeJSONLines
			}
			return cli.Abandon(c.Context(), func() error { return errors.Join(lines(encode, c.InOrStdin(), out), out.Flush()) })
		},
	}
	c.Flags().StringVar(&path, "tokenizer", "", "tokenizer.model, tokenizer.json, a folder with one, a run's folder, a GGUF file, or bytes")
	c.Flags().BoolVar(&whole, "whole", false, "all of standard input is one text: one line of ids")
	c.Flags().BoolVar(&jsonLines, "json-lines", false, "each line is a JSON string, which may hold line feeds: a JSON list of ids each")
	c.Flags().BoolVar(&parseSpecial, "parse-special", false, "make tokens of texts of special tokens, such as <|endoftext|>; otherwise they are text")
	return c
}

var errWholeJSON = cli.Usagef("--whole and --json-lines: want one of them")

// appendIDs appends the ids of a whole text.
type appendIDs func(dst []int32, text []byte) []int32

func encodeWhole(encode appendIDs, in io.Reader, out *bufio.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	return writeIDs(out, encode(nil, text))
}

func encodeLines(encode appendIDs, in io.Reader, out *bufio.Writer) error {
	lines := bufio.NewReaderSize(in, 1<<16)
	var ids []int32
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err == io.EOF {
			return nil
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("standard input: %w", err)
		}
		if line[len(line)-1] == '\n' {
			line = line[:len(line)-1]
		}
		ids = encode(ids[:0], line)
		if err := writeIDs(out, ids); err != nil {
			return err
		}
	}
}

func writeIDs(out *bufio.Writer, ids []int32) error {
	var number [12]byte
	for i, id := range ids {
		if i > 0 {
			out.WriteByte(' ')
		}
		out.Write(strconv.AppendInt(number[:0], int64(id), 10))
	}
	return out.WriteByte('\n') // tells of earlier failures too
}

func newDecode() *cobra.Command {
	var path string
	var whole, jsonLines bool
	c := &cobra.Command{
		Use:   "decode --tokenizer FILE [--whole | --json-lines]",
		Short: "Turn lines of ids back into text",
		Args:  cli.NoArguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			tok, err := openTokenizer(path)
			if err != nil {
				return err
			}
			out := bufio.NewWriterSize(c.OutOrStdout(), 1<<16)
			if whole && jsonLines {
				return errWholeJSON
			}
			return cli.Abandon(c.Context(), func() error {
				if jsonLines {
					return errors.Join(decodeJSONLines(tok, c.InOrStdin(), out), out.Flush())
				}
				return errors.Join(decodeLines(tok, c.InOrStdin(), out, whole), out.Flush())
			})
		},
	}
	c.Flags().StringVar(&path, "tokenizer", "", "tokenizer.model, tokenizer.json, a folder with one, a run's folder, a GGUF file, or bytes")
	c.Flags().BoolVar(&whole, "whole", false, "all ids are one text, which is written without a line feed behind it")
	c.Flags().BoolVar(&jsonLines, "json-lines", false, "each line is a JSON list of ids: a JSON string each")
	return c
}

func decodeLines(tok *tokenizer.Tokenizer, in io.Reader, out *bufio.Writer, whole bool) error {
	lines := bufio.NewReaderSize(in, 1<<16)
	var all []int32
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if line == "" && err == io.EOF {
			break
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("standard input: %w", err)
		}
		if all, err = parseIDs(all, line, tok.VocabSize()); err != nil {
			return fmt.Errorf("line %d of standard input: %w", number, err)
		}
		if whole {
			continue
		}
		out.Write(tok.Decode(all))
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
		all = all[:0]
	}
	if whole {
		_, err := out.Write(tok.Decode(all))
		return err
	}
	return nil
}
