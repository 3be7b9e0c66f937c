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
	var tokenizer string
	var whole bool
	c := &cobra.Command{
		Use:   "encode --tokenizer FILE [--whole]",
		Short: "Turn lines of standard input into lines of ids",
		Long: `Turn each line of standard input into a line of ids with blanks between, as
spm_encode --output_format=id does.`,
		Args: cli.NoArguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			tok, err := openTokenizer(tokenizer)
			if err != nil {
				return err
			}
			out := bufio.NewWriterSize(c.OutOrStdout(), 1<<16)
			if whole {
				err = encodeWhole(tok, c.InOrStdin(), out)
			} else {
				err = encodeLines(tok, c.InOrStdin(), out)
			}
			return errors.Join(err, out.Flush())
		},
	}
	c.Flags().StringVar(&tokenizer, "tokenizer", "", "tokenizer.model, tokenizer.json, a folder with one, or bytes")
	c.Flags().BoolVar(&whole, "whole", false, "all of standard input is one text: one line of ids")
	return c
}

func encodeWhole(tok *tokenizer.Tokenizer, in io.Reader, out *bufio.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	return writeIDs(out, tok.Encode(text))
}

func encodeLines(tok *tokenizer.Tokenizer, in io.Reader, out *bufio.Writer) error {
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
		ids = tok.AppendPart(ids[:0], line, tokenizer.Part{First: true, Last: true})
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
	var tokenizer string
	var whole bool
	c := &cobra.Command{
		Use:   "decode --tokenizer FILE [--whole]",
		Short: "Turn lines of ids back into text",
		Args:  cli.NoArguments(""),
		RunE: func(c *cobra.Command, _ []string) error {
			tok, err := openTokenizer(tokenizer)
			if err != nil {
				return err
			}
			out := bufio.NewWriterSize(c.OutOrStdout(), 1<<16)
			return errors.Join(decodeLines(tok, c.InOrStdin(), out, whole), out.Flush())
		},
	}
	c.Flags().StringVar(&tokenizer, "tokenizer", "", "tokenizer.model, tokenizer.json, a folder with one, or bytes")
	c.Flags().BoolVar(&whole, "whole", false, "all ids are one text, which is written without a line feed behind it")
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
