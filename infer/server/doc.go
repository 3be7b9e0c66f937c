// Package server answers OpenAI's API over HTTP with a model of package infer.
//
//	POST /v1/completions       text or token ids; n, stop, seed, logprobs, echo, stream
//	POST /v1/chat/completions  messages, by the model's chat template
//	GET  /v1/models            the one model
//	POST /tokenize             {content, add_special, parse_special, with_pieces}, as
//	                           llama-server, or {prompt, add_special_tokens}, as vLLM
//	POST /detokenize           {tokens}
//	GET  /tokenizer_info       vocabulary, special tokens, chat template, context
//	GET  /health               {"status": "ok"}
//	GET  /metrics              Prometheus's text format
//	GET  /                     a page to try the model
//
// A request becomes requests of an [infer.Scheduler], one for each prompt and choice,
// which run with those of others. What the caller did wrong is a 4xx with OpenAI's error
// object, a full queue a 429 with Retry-After; a caller who goes away frees his slot.
// Fields that are not known are passed over, as OpenAI does.
//
// An answer fits response_format (json_object, json_schema), and calls of tools their
// schemas, since nothing else is drawn: package grammar says which schemas are known; any
// other is a 400 that names the key. tool_choice is none, auto, required or a function.
// Where the model's chat template knows of tools it shows them; otherwise a system message
// does, and calls stand between <tool_call> and </tool_call>.
package server
