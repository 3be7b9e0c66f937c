package bpe_test

import (
	"context"
	"fmt"
	"strings"

	"mobilellm/tokenizer/bpe"
)

func ExampleTrain() {
	text := []byte(strings.Repeat("row, row, row your boat\n", 10))
	tok, report, err := bpe.Train(context.Background(), [][]byte{text}, 300, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(tok.Encode(text)), "tokens,", report.Vocab, "ids")
	// Output: 80 tokens, 268 ids
}
