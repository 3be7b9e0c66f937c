// Package conversation makes training samples of conversations: ids, and which of them
// the model learns to say.
//
// [Parse] reads a record, a JSON object in one of the forms that data sets have
// (messages as OpenAI's API has them, ShareGPT's conversations, Alpaca's instructions,
// prompt and completion). A [Renderer] makes a [Sample] of it by a chat template: the
// text that transformers' apply_chat_template makes, its ids, and the ranges of ids
// that are supervised. These are what the assistant says and the token that ends its
// turn, and are found from the template:
//
//   - where it has {% generation %} blocks, what these make, as transformers'
//     return_assistant_tokens_mask has it: from the token with the first byte of a block
//     to the one with its last;
//   - otherwise by rendering the conversation up to before a turn, with what opens the
//     assistant's answer, and up to behind it: the turn is what lies between, but for
//     blanks behind its last control token. A template that renders earlier turns
//     otherwise once later ones follow is an error, as nothing tells then where they are.
//
// A prompt with a completion that are plain strings needs no template: the completion
// and the EOS behind it are supervised, as in trl.
//
//	r, err := conversation.NewRenderer(tok, "", false) // by the tokenizer's own template
//	c, err := conversation.Parse(line, conversation.Chat)
//	sample, err := r.Render(ctx, c)
package conversation
