package eval

import (
	"io"

	"mobilellm/eval/dataset"
	"mobilellm/infer/grammar"
	"mobilellm/tokenizer/chat"
)

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
	Chat           Kind = "chat"            // answers in a conversation, by the chat template
)

// Task is a benchmark, as a value: where its files are, how a record becomes items, what
// is measured.
type Task struct {
	Name    string // as lm-evaluation-harness calls it
	Title   string // as the paper calls it
	Version string // of the definition that it follows
	Kind    Kind
	Sources []Source // the files of the data set, any one of which serves
	// Read gives the records of a file; nil is dataset.Objects.
	Read func(file string) dataset.Records
	// Questions are the items of a record as the protocol puts them. What is wrong with
	// the record is remembered by it.
	Questions func(r *dataset.Record, p Protocol) []Item
	// Given are the items of a task that needs no file; nil for others.
	Given []Item
	// Constrained decodes calls of the items' Calls only, where they have some.
	Constrained bool
	// Output is a file of the answers that other programs read; nil for none.
	Output *Output
	// Reports are what each protocol reports, the first of them the task's score.
	Reports map[Protocol][]Measure

	Shots int // examples before each question
	// Test is a task scored on a test split, of whose examples lm-evaluation-harness
	// takes no question's own out; it has no meaning where the examples are the scored
	// file itself.
	Test bool
}

// Measures are what is reported by a protocol, the first of them the task's score.
func (t Task) Measures(p Protocol) []Measure { return t.Reports[p] }

// Item is a question as it is put to a model.
type Item struct {
	ID string // the data set's own, else its number from 0
	// Requests are the choices in order; one in all for a kind without choices.
	Requests []Request
	Gold     int      // the right choice
	Answers  []string // Generation: any of them is right
	Until    []string // Generation: a text ends before any of these
	// Shots are examples that stand before each request's context, in order, each with
	// the line feeds that end it. Where they do not fit, the first fall away whole.
	Shots []string
	// Of a Chat: the conversation that is answered, which ends with the user, what the user
	// says after each further answer, the most tokens of an answer, 0 for 256, and the
	// temperature at which they are drawn.
	Messages    []chat.Message `json:",omitempty"`
	Further     []string       `json:",omitempty"`
	MaxTokens   int            `json:",omitempty"`
	Temperature float64        `json:",omitempty"`
	// Calls are the APIs of which an answer calls one, where it is held to [grammar.Calls].
	Calls []grammar.API `json:",omitempty"`
	// Parts are names of subsets that the item is of, whose measures are reported too.
	Parts []string `json:",omitempty"`
	// Words and Bytes count the original text of a Rolling task.
	Words, Bytes int
	// Windows cuts a Rolling text's tokens, which open with one BOS, in windows of the
	// model's context, the last part of one dropped; a window predicts all its tokens but
	// the first (MobileLLM's eval.py). Without it the text is cut as
	// lm-evaluation-harness does: every token is predicted, the first of all after BOS.
	Windows bool
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

// Source is a file of a data set, and what it may be called.
type Source struct {
	// Names are patterns (path.Match) below the folder of data sets, without the endings
	// of packers. A name may be that of a folder with a file a record.
	Names []string
	// Labels and Examples are files in the same folder: the labels, where they are kept
	// apart, and what Shots are drawn from.
	Labels, Examples string
	URL              string // where it comes from
	Note             string // what a person must know of it
}

// Output is a file of a task's answers.
type Output struct {
	Path  string // below the folder of all such files, with NAME for the model's name
	Write func(w io.Writer, model string, items []Item, answers []Answer) error
}

// Answer is what a model made of an item.
type Answer struct {
	Scores []Score // of the requests
	Text   string  // Generation
	Turns  []Turn  // Chat
	// Dropped are examples (Item.Shots), or messages, that did not fit.
	Dropped int
}

// Turn is an answer in a conversation.
type Turn struct {
	Text  string `json:"text"`
	Ended bool   `json:"ended"` // by the model, not for want of tokens
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
	// Lower is better, as of a perplexity.
	Lower bool
}
