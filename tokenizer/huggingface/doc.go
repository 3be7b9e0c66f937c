// Package huggingface reads, applies and writes tokenizer.json, the file of Hugging
// Face's tokenizers library.
//
// [Parse] reads a [File], the one description of such a file here, and
// [File.Marshal] writes it. [New] makes a [Tokenizer] of it: added tokens are cut
// out of the text, the normalizer changes what is between them, the pre-tokenizer
// cuts words, the model makes ids of each word. The ids are the library's for every
// text, without the special tokens that the post-processor adds ([File.Start] says
// which); broken UTF-8, which the library cannot be given, is kept as it is.
//
// Known are models of the kind BPE, of bytes like GPT-2's, Llama 3's and Qwen's, or
// made from SentencePiece's with bytes for what has no token, like Llama 2's.
// Another kind, or a part that would change the ids in a way that is not known
// here, is an error that wraps [ErrKind] and names the part.
//
//	f, err := huggingface.Parse(raw)
//	t, err := huggingface.New(f)
//	ids := t.Append(nil, []byte("Hello world"), huggingface.Whole)
package huggingface
