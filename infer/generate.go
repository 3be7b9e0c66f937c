package infer

import "context"

// Generate continues a prompt, which has a token at least, and hands each new
// token to emit. It stops after MaxTokens, at a token that ends texts, which is not
// handed out, or when ctx ends, with ctx's error. The same seed gives the same
// tokens.
func (m *Model) Generate(ctx context.Context, prompt []int32, o Options, emit func(id int32)) error {
	s := NewScheduler(m, 0)
	defer s.Close()
	_, err := s.Complete(ctx, Request{Prompt: prompt, Options: o}, func(t Token) bool {
		emit(t.ID)
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	return err
}
