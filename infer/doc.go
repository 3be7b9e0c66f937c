// Package infer continues texts with a trained model.
//
// [Load] opens a model that package checkpoint opens. [Model.Generate]
// draws tokens one by one from the model's distribution, shaped by [Options]:
// temperature, the k likeliest (Fan et al., 2018), or the likeliest that together
// have probability p (Holtzman et al., "The curious case of neural text
// degeneration", 2020). Each token costs a forward pass over all before it.
// [Stream] turns tokens into text as they come, whole characters at a time.
//
//	m, err := infer.Load("runs/first/checkpoints/best", dev)
//	...
//	defer m.Close()
//	s := infer.NewStream(os.Stdout, m.Tokenizer)
//	err = m.Generate(ctx, m.Tokenizer.Prompt("func "), infer.Options{MaxTokens: 100}, s.Token)
//	err = s.Close()
package infer
