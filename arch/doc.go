// Package arch describes a MobileLLM model: its shape, the order in which its
// layers run, the names of its parameters and what they cost.
//
// The models are those of Liu et al., "MobileLLM: Optimizing Sub-billion
// Parameter Language Models for On-Device Use Cases" (ICML 2024): LLaMA-style
// decoders that are deep and thin (section 2.2.2), with SwiGLU (2.2.1), grouped-query
// attention (2.2.4), one table for input and output embeddings (2.2.3) and layers
// that run more than once (2.3).
//
// [Config] is the `model:` section of a configuration. [Config.Schedule] lists
// the weight layers in execution order; whatever walks layers (the graph, a KV
// cache, an export) walks that list. [Config.Parameters] lists the weights under
// Hugging Face's LLaMA names. The package knows nothing of devices.
//
// Shapes are written in one alphabet: B batch, T time, C width (dim), H heads,
// K kv heads, D head size, F FFN width, V vocabulary.
//
//	c := arch.Default() // MobileLLM-125M
//	c.LayerSharing.Strategy = arch.Immediate
//	if err := c.Validate(); err != nil {
//		return err
//	}
//	fmt.Println(c.ParameterCount(), c.Schedule().Len()) // 124635456 60
package arch
