// Package grammar says which tokens can go on a text that has to fit a grammar, such as
// the JSON of a schema, for decoding that is constrained by it.
//
//	JSON schema, an API's calls ─ compile ─► Program: an automaton on bytes, with calls
//	                                             │ Vocabulary.Grammar
//	   Matcher.Mask: a bit for each token ◄─ trie of the vocabulary, walked once a state
//
// A [Program] is a recursive transition network: nodes that eat a byte of a range, part
// ways, call a rule or return from one. The members of an object stand in any order; which
// of them are there is a set of bits that a node carries. A [Grammar] follows it with a set
// of stacks (Lang, 1974), and makes of these sets the states of a deterministic automaton
// as they are met, so that a byte costs one look-up once it was seen. The mask of a state is
// made by walking the tokens of the [Vocabulary] in order of their bytes, each common
// beginning once, and is kept: a step in a state that was met costs nothing but the copy of
// the logits.
//
// Every state leads to an end: what no value can complete is left out when a program is
// compiled. So a text is cut short only where the tokens run out.
//
//	v := grammar.NewVocabulary(tok)
//	p, err := grammar.Schema([]byte(`{"type": "object", "properties": {"city": {"type": "string"}}}`))
//	m := v.Grammar(p).Begin()
//	allowed := m.Mask()      // bit i of word i/64 is token i
//	err = m.Accept(id)       // a token that is allowed
package grammar
