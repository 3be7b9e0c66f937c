package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"mobilellm/tokenizer"
)

// encodeJSONLines turns JSON strings, one a line, into lists of ids, so that a
// text may hold line feeds.
func encodeJSONLines(encode appendIDs, in io.Reader, out *bufio.Writer) error {
	var ids []int32
	var list []byte
	return readJSONLines(in, "string", func(text *string) error {
		ids = encode(ids[:0], []byte(*text))
		list = appendIDList(list[:0], ids)
		_, err := out.Write(append(list, '\n'))
		return err
	})
}

// appendIDList appends ids as a JSON list.
func appendIDList(dst []byte, ids []int32) []byte {
	dst = append(dst, '[')
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(id), 10)
	}
	return append(dst, ']')
}

// decodeJSONLines turns lists of ids, one a line, into JSON strings. Bytes that
// are no UTF-8 become U+FFFD, for JSON cannot hold them.
func decodeJSONLines(tok *tokenizer.Tokenizer, in io.Reader, out *bufio.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return readJSONLines(in, "list of ids", func(ids *[]int32) error {
		for _, id := range *ids {
			if id < 0 || int(id) >= tok.VocabSize() {
				return fmt.Errorf("id %d is outside the vocabulary of %d", id, tok.VocabSize())
			}
		}
		return encoder.Encode(string(tok.Decode(*ids)))
	})
}

// readJSONLines calls each with the value of every line.
func readJSONLines[T any](in io.Reader, what string, each func(*T) error) error {
	lines := bufio.NewReaderSize(in, 1<<16)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err == io.EOF {
			return nil
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("standard input: %w", err)
		}
		var value *T // nil of null, which is neither
		if err = json.Unmarshal(line, &value); err == nil && value == nil {
			err = errors.New("null")
		}
		if err != nil {
			return fmt.Errorf("line %d of standard input is no JSON %s: %w", number, what, err)
		}
		if err := each(value); err != nil {
			return fmt.Errorf("line %d of standard input: %w", number, err)
		}
	}
}
