package tasks

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"mobilellm/data/apicall"
	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/rouge"
	"mobilellm/infer/grammar"
	"mobilellm/tokenizer/chat"
)

// APICalling is the paper's Table 6: conversations in which an assistant calls APIs, of
// which each turn with a call is asked for, after the right turns before it. The paper's
// data are not published; mobilellm-data sgd makes such of SGD.
var APICalling = eval.Task{
	Name: "api-calling", Title: "API calling", Version: "1.0", Kind: eval.Chat,
	Sources: []eval.Source{{
		Names: []string{"api-calling/test.jsonl", "sgd/test.jsonl"},
		URL:   "https://github.com/google-research-datasets/dstc8-schema-guided-dialogue",
		Note:  "made by mobilellm-data sgd FOLDER --out DIR",
	}},
	Questions: apiCalls,
	Reports: map[eval.Protocol][]eval.Measure{
		eval.LMEval: apiMeasures,
		eval.Paper:  apiMeasures,
	},
}

// ConstrainedCalling is the same where nothing can be answered but a call that the APIs'
// schemas allow, and the reply: whether to call is not left to the model.
var ConstrainedCalling = constrained(APICalling)

func constrained(t eval.Task) eval.Task {
	t.Name, t.Title, t.Constrained = t.Name+"-constrained", t.Title+", constrained", true
	return t
}

// apiMeasures are the columns of Table 6, the share of answers that the model ended, and
// what a model scores that always calls the API which is called most.
var apiMeasures = []eval.Measure{
	{Name: "em_intent", Item: func(item eval.Item, a eval.Answer) float64 {
		want, got := turnsOf(item, a)
		return share(want.calls && got.calls && want.call.Name == got.call.Name)
	}},
	{Name: "em_structure", Item: func(item eval.Item, a eval.Answer) float64 {
		want, got := turnsOf(item, a)
		return share(want.calls && got.calls && want.call.Equal(got.call))
	}},
	{Name: "rouge1", Item: func(item eval.Item, a eval.Answer) float64 {
		want, got := turnsOf(item, a)
		return rouge.One(want.reply, got.reply)
	}},
	{Name: "rougeL", Item: func(item eval.Item, a eval.Answer) float64 {
		want, got := turnsOf(item, a)
		return rouge.L(want.reply, got.reply)
	}},
	eval.Ended,
	{Name: "em_intent_most_frequent", Total: func(items []eval.Item, _ []eval.Answer) float64 {
		counts, most := map[string]int{}, 0
		for _, item := range items {
			name := parsed(item.Answers[0]).call.Name
			counts[name]++
			most = max(most, counts[name])
		}
		return float64(most) / float64(len(items))
	}},
}

func share(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// turn is what the parser and the agent say. A call that does not parse is none.
type turn struct {
	call  apicall.Call
	calls bool
	reply string
}

func parsed(text string) turn {
	t := apicall.ParseTurn(text)
	call, err := apicall.Parse(t.Call)
	return turn{call, err == nil, t.Reply}
}

func turnsOf(item eval.Item, a eval.Answer) (want, got turn) {
	text := ""
	if len(a.Turns) > 0 {
		text = a.Turns[0].Text
	}
	return parsed(item.Answers[0]), parsed(text)
}

// apiCalls are the turns of a conversation that call an API.
func apiCalls(r *dataset.Record, _ eval.Protocol) []eval.Item {
	apis, services := apisOf(r)
	messages := r.Objects("messages")
	var before []chat.Message
	var items []eval.Item
	for i, m := range messages {
		message := chat.Message{Role: m.Text("role"), Content: m.Text("content")}
		if r.Err() != nil {
			return nil
		}
		t := apicall.ParseTurn(message.Content)
		if message.Role == "assistant" && t.Call != "" {
			call, err := apicall.Parse(t.Call)
			at := slices.IndexFunc(apis, func(api grammar.API) bool { return api.Name == call.Name })
			switch {
			case err != nil:
				r.Fail("message %d: %w", i, err)
				return nil
			case at < 0:
				r.Fail("message %d: %s is none of the conversation's apis", i, call.Name)
				return nil
			}
			parts := []string{"services unseen"}
			if seen, _ := r.Fields["seen"].(bool); seen {
				parts = []string{"services seen"}
			}
			service := services[at]
			if m.Has("service") {
				service = m.Text("service")
			}
			if service != "" {
				parts = append(parts, "service "+service)
			}
			items = append(items, eval.Item{
				ID: id(r, "id") + "/" + strconv.Itoa(i), Messages: slices.Clone(before), Answers: []string{message.Content}, Calls: apis, Parts: parts,
			})
		}
		before = append(before, message)
	}
	return items
}

// apisOf are a conversation's APIs with their services.
func apisOf(r *dataset.Record) (apis []grammar.API, services []string) {
	for i, a := range r.Objects("apis") {
		api := grammar.API{Name: a.Text("name")}
		parameters, ok := a.Fields["parameters"].(map[string]any)
		if !ok {
			r.Fail("apis[%d]: %s has no schema (parameters)", i, api.Name)
			return nil, nil
		}
		api.Parameters, _ = json.Marshal(parameters) // came from JSON
		service := ""
		if a.Has("service") {
			service = a.Text("service")
		}
		apis, services = append(apis, api), append(services, strings.TrimSpace(service))
	}
	return apis, services
}
