// Package chat renders conversations by chat templates: Jinja, as models bring it in
// tokenizer_config.json, chat_template.jinja or a GGUF, for text that is byte for byte
// that of transformers' apply_chat_template.
//
//	template, err := chat.For(tok, false) // or Parse(source)
//	bos, eos := tok.TemplateTokens()
//	prompt, err := template.Render(ctx, chat.Input{
//		Messages:            []chat.Message{{Role: "user", Content: "Hello"}},
//		AddGenerationPrompt: true, BOS: bos, EOS: eos,
//	})
//
// A prompt so made holds the texts of special tokens and is encoded with them parsed
// ([tokenizer.Tokenizer.Encode]); nothing is put before it, as templates write bos_token
// themselves.
//
// Templates are programs that come with downloaded models. So they are parsed here and
// written again for the library that runs them (github.com/ardanlabs/jinja), each
// operation that makes a value, each output and each loop as a call of a function that
// counts time and bytes ([Template.Render] has the bounds). The functions, filters and
// tests behind them are Python's, as far as chat templates use them: what Python
// refuses, such as joining text to none, is an error and not an empty text.
package chat
