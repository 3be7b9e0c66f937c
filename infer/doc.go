// Package infer continues texts with a trained model.
//
// [Load] opens a model as package checkpoint does. A [Model] has slots, each for one
// sequence of tokens. [Model.Forward] takes new tokens of some of them and gives
// the logits that follow: tokens before are not computed again, since their keys and
// values are in a KV cache, an entry for each position of the schedule. One run reads
// the weights once for all sequences. What a sequence gets are the same bits whoever
// shares the run and however its tokens were cut.
//
//	tokens of some slots ─ Forward ─► programs for 1, 2, 4 … 512 rows ─► logits
//	                                       │
//	   arch.BuildCached, BuildHead: op.CachedAttention, packed weights
//
// [Model.Fork] makes sequences of one: they share what it has in the cache.
//
// [Scheduler] shares a model among requests, which begin and end when they will:
// prompts are computed in pieces between the tokens of others, a request takes the slot
// whose tokens agree longest with its prompt, and those are not computed again.
// [Model.Generate] is one request. Tokens are drawn by [Options]: temperature, the k
// likeliest (Fan et al., 2018), the likeliest that together have probability p (Holtzman
// et al., "The curious case of neural text degeneration", 2020), those of at least a
// share of the likeliest's probability (min-p, Nguyen et al., 2024).
// [Stream] turns tokens into text as they come, whole characters at a time.
//
//	m, err := infer.Load("runs/first/checkpoints/best", dev, infer.LoadOptions{})
//	...
//	defer m.Close()
//	s := m.NewStream(os.Stdout)
//	err = m.Generate(ctx, m.Tokenizer.Prompt("func "), infer.Options{MaxTokens: 100}, s.Token)
//	err = s.Close()
//
// On a device that has no kernels for the cache (a GPU, as yet) each token costs a
// forward pass over all before it.
package infer
