package tasks

import (
	"mobilellm/eval"
	"mobilellm/eval/dataset"
)

// choices are requests of one context, a space before each choice.
func choices(context string, texts []string) []eval.Request {
	requests := make([]eval.Request, len(texts))
	for i, text := range texts {
		requests[i] = eval.Request{Context: context, Continuation: " " + text, Choice: text}
	}
	return requests
}

// withPrior asks for the likelihood after the paper's prior too.
func withPrior(requests []eval.Request, p eval.Protocol) []eval.Request {
	for i := range requests {
		if p == eval.Paper {
			requests[i].Prior = prior
		}
	}
	return requests
}

// one is the item of a record.
func one(item eval.Item) []eval.Item { return []eval.Item{item} }

// labelled are choices that AI2's data sets name by letters or numbers: a list of objects
// in their own files, an object of two lists in Hugging Face's.
func labelled(r *dataset.Record, field string) (texts, labels []string) {
	if !r.IsList(field) {
		texts, labels = r.Texts(field+".text"), r.Texts(field+".label")
		if len(texts) != len(labels) {
			r.Fail("choices: %d, labels: %d", len(texts), len(labels))
		}
		return texts, labels
	}
	for _, choice := range r.Objects(field) {
		texts = append(texts, choice.Text("text"))
		labels = append(labels, choice.Text("label"))
	}
	return texts, labels
}

// id is the data set's own name of a record, empty for none.
func id(r *dataset.Record, field string) string {
	if !r.IsText(field) {
		return ""
	}
	return r.Text(field)
}
