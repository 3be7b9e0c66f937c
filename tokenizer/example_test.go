package tokenizer_test

import (
	"fmt"

	"mobilellm/tokenizer"
)

func ExampleBytes() {
	tok := tokenizer.Bytes()
	ids := tok.Encode([]byte("deep, thin<|endoftext|>"))
	fmt.Println(ids[:4], ids[len(ids)-1], len(tok.EncodeOrdinary([]byte("<|endoftext|>"))))
	// Output: [100 101 101 112] 256 13
}
