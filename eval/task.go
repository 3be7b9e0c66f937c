package eval

import "context"

// Protocol is a way to put questions and to measure answers.
type Protocol string

// The protocols.
const (
	// LMEval is that of lm-evaluation-harness 0.4.13.
	LMEval Protocol = "lm-eval"
	// Paper is LLaMA's (Touvron et al., 2023), which the paper names: likelihood per
	// character, but over that of the same choice after "Answer:" for OpenBookQA and BoolQ.
	Paper Protocol = "paper"
)

// Kind is what a task asks of a model.
type Kind string

// The kinds of tasks.
const (
	MultipleChoice Kind = "multiple_choice" // the likeliest of some continuations
	LogLikelihood  Kind = "loglikelihood"   // the likelihood of one continuation
	Rolling        Kind = "rolling"         // the likelihood of whole texts
	Generation     Kind = "generate_until"  // a text, compared with answers
)

// Task is a benchmark.
type Task struct {
	Name    string // as lm-evaluation-harness calls it
	Title   string // as the paper calls it
	Version string // of the definition that it follows
	Kind    Kind
	Sources []Source // the files of a data set, any one of which serves
	// Items reads the questions of a file, in its order, as the protocol puts them.
	Items func(ctx context.Context, file string, p Protocol) ([]Item, error)
	// Measures are what is reported, the first of them the task's score.
	Measures func(Protocol) []Measure
}

// Item is a question as it is put to a model.
type Item struct {
	ID string // the data set's own, else its number from 0
	// Requests are the choices in order; one in all for a kind without choices.
	Requests []Request
	Gold     int      // the right choice
	Answers  []string // Generation: any of them is right
	Until    []string // Generation: a text ends before any of these
	// Words and Bytes count the original text of a Rolling task.
	Words, Bytes int
}

// Request is one continuation of one context.
type Request struct {
	Context      string
	Continuation string // with the delimiter that parts it from the context
	Choice       string // the continuation's text whose length counts, without the delimiter
	// Prior is a context without the question, over whose likelihood the paper's
	// OpenBookQA and BoolQ are measured; empty where none is wanted.
	Prior string
}

// Source is a file of a data set.
type Source struct {
	Names []string // below the folder of data sets; packed with gzip, bzip2 or zstd too
	URL   string   // where it comes from
	Split string
}

// Answer is what a model made of an item.
type Answer struct {
	Scores []Score // of the requests
	Text   string  // Generation
}

// Score is the likelihood of a continuation.
type Score struct {
	LogProb float64 // sum over its tokens, natural logarithm
	Prior   float64 // the same after Request.Prior; 0 without one
	Tokens  int
	Greedy  bool // every token is the likeliest
	Cut     int  // tokens of the context that did not fit the model's
}

// Measure is a number that a task reports.
type Measure struct {
	Name string // as lm-evaluation-harness calls it: acc, acc_norm
	// Item is the measure of one item, whose mean over all is reported.
	Item func(Item, Answer) float64
	// Total makes the number of all items, where it is no mean (a perplexity).
	Total func([]Item, []Answer) float64
}
