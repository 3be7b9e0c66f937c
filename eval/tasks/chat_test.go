package tasks_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/data/apicall"
	"mobilellm/data/sgd"
	"mobilellm/eval"
	"mobilellm/infer/grammar"
	"mobilellm/tokenizer"
)

// conversations writes those of an SGD folder as mobilellm-data sgd does.
func conversations(t *testing.T, folder string, holdOut int) string {
	t.Helper()
	list, err := sgd.Read(folder)
	if err != nil {
		t.Fatal(err)
	}
	_, _, test := sgd.Divide(list, holdOut)
	var b bytes.Buffer
	for _, c := range test {
		if err := json.NewEncoder(&b).Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "test.jsonl")
	write(t, path, b.String())
	return path
}

// Each turn that calls is asked for, after the right turns before it.
func TestAPICalling(t *testing.T) {
	file := conversations(t, "../../data/sgd/testdata/sample", 2)
	list := items(t, get(t, "api-calling"), file, eval.LMEval)
	var ids []string
	for _, item := range list {
		ids = append(ids, item.ID+" "+strings.Join(item.Parts, ", "))
	}
	const want = `1_00001/2 services seen, service Cafes_1
1_00001/4 services seen, service Cafes_1
1_00003/2 services seen, service Cafes_1
3_00000/4 services unseen, service Parcels_1
3_00001/2 services unseen, service Parcels_1
3_00001/4 services unseen, service Cafes_1`
	if got := strings.Join(ids, "\n"); got != want {
		t.Errorf("%s", got)
	}
	item := list[1]
	if n := len(item.Messages); n != 4 || item.Messages[3].Role != "user" || !strings.Contains(item.Messages[2].Content, `FindCafe(town = \"Bruges\")`) || item.Calls != nil {
		t.Errorf("%+v", item)
	}
	if item := items(t, get(t, "api-calling-constrained"), file, eval.LMEval)[1]; len(item.Calls) != 2 {
		t.Errorf("%+v", item.Calls)
	}
}

// What answers are worth.
func TestAPIMeasures(t *testing.T) {
	const gold = `{"role": "PARSER", "message": "Find(town = \"Ghent\", price = \"low\")"}` + "\n" + `{"role": "AGENT", "message": "Blue Bean is in Ghent."}`
	task := get(t, "api-calling")
	for _, c := range []struct {
		text                     string
		intent, structure, rouge float64
	}{
		{gold, 1, 1, 1},
		{strings.Replace(gold, `town = \"Ghent\", price = \"low\"`, `price=\"low\",town=\"Ghent\", open = None`, 1), 1, 1, 1},
		{strings.Replace(gold, "low", "high", 1), 1, 0, 1},
		{strings.Replace(gold, "Find", "Book", 1), 0, 0, 1},
		{strings.Replace(gold, `\")"}`, `\""}`, 1), 0, 0, 1}, // does not parse
		{`{"role": "AGENT", "message": "Blue Bean is in Ghent."}`, 0, 0, 1},
		{"Blue Bean", 0, 0, 4. / 7},
		{"", 0, 0, 0},
	} {
		item := eval.Item{Answers: []string{gold}}
		a := eval.Answer{Turns: []eval.Turn{{Text: c.text, Ended: true}}}
		var got []float64
		for _, m := range task.Measures(eval.LMEval)[:5] {
			got = append(got, m.Item(item, a))
		}
		for i, want := range []float64{c.intent, c.structure, c.rouge, c.rouge, 1} {
			if math.Abs(got[i]-want) > 1e-12 {
				t.Errorf("%s: %v, want %v", c.text, got, c)
			}
		}
	}
	call := func(name string) eval.Item {
		return eval.Item{Answers: []string{apicall.Turn{Call: name + "()"}.String()}}
	}
	if got := task.Measures(eval.LMEval)[5].Total([]eval.Item{call("a"), call("b"), call("a")}, nil); math.Abs(got-2./3) > 1e-12 {
		t.Errorf("the most frequent intent has %g", got)
	}
}

// Every right answer of the data can be written where answers are constrained.
func TestGrammarOfSGD(t *testing.T) {
	const folder = "../../../shared/data/api/sgd"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("needs the Schema-Guided Dialogue data in " + folder)
	}
	v := grammar.NewVocabulary(tokenizer.Bytes())
	grammars := map[string]*grammar.Grammar{}
	n := map[string]int{}
	for _, item := range items(t, get(t, "api-calling-constrained"), conversations(t, folder, 8), eval.LMEval) {
		key, err := json.Marshal(item.Calls)
		if err != nil {
			t.Fatal(err)
		}
		g := grammars[string(key)]
		if g == nil {
			p, err := grammar.Calls(item.Calls, true)
			if err != nil {
				t.Fatalf("%s: %v", item.ID, err)
			}
			g = v.Grammar(p)
			grammars[string(key)] = g
		}
		m := g.Begin()
		if err := m.AcceptText([]byte(item.Answers[0])); err != nil || !m.Ends() {
			t.Errorf("%s: %v: %s", item.ID, err, item.Answers[0])
		}
		n[item.Parts[0]]++
	}
	if n["services seen"] != 204 || n["services unseen"] != 398 {
		t.Errorf("%v", n)
	}
}

func TestBadConversations(t *testing.T) {
	const apis = `[{"name": "F", "service": "S", "parameters": {"type": "object"}}]`
	record := func(apis, messages string) string {
		return `{"id": "x", "seen": true, "apis": ` + apis + `, "messages": [` + messages + `]}`
	}
	user, call := `{"role": "user", "content": "a"}`, func(text string) string {
		raw, _ := json.Marshal(apicall.Turn{Call: text}.String())
		return `, {"role": "assistant", "content": ` + string(raw) + `}`
	}
	for _, c := range []struct{ name, text, want string }{
		{"no messages", `{"id": "x", "apis": []}`, `:1: item 0: no field "messages"`},
		{"no APIs", `{"id": "x", "messages": []}`, `:1: item 0: no field "apis"`},
		{"an API without a schema", record(`[{"name": "F"}]`, user), ":1: item 0: apis[0]: F has no schema (parameters)"},
		{"a right call that does not parse", record(apis, user+call("F(")), ":1: item 0: message 1: byte 2 of a call"},
		{"another API", record(apis, user+call("G()")), ":1: item 0: message 1: G is none of the conversation's apis"},
		{"no user", record(apis, strings.TrimPrefix(call("F()"), ", ")), ":1: item 0: the conversation does not end with the user"},
		{"no content", record(apis, `{"role": "user"}`), `:1: item 0: no field "content"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "test.jsonl")
			write(t, file, c.text+"\n")
			refused(t, "api-calling", file, c.want)
		})
	}
}

const sharedChat = "../../../shared/data"

// What the judges' programs read: AlpacaEval's array, MT-Bench's lines with both turns.
func TestJudgesFiles(t *testing.T) {
	if _, err := os.Stat(sharedChat); err != nil {
		t.Skip("needs AlpacaEval and MT-Bench in " + sharedChat)
	}
	for name, want := range map[string]int{"alpaca-eval": 805, "mt-bench": 80} {
		task := get(t, name)
		file, ok := task.File(sharedChat)
		if !ok {
			t.Fatalf("no file of %s", name)
		}
		list := items(t, task, file, eval.LMEval)
		if len(list) != want {
			t.Errorf("%s has %d items, want %d", name, len(list), want)
		}
		answers := make([]eval.Answer, len(list))
		for i, item := range list {
			for range 1 + len(item.Further) {
				answers[i].Turns = append(answers[i].Turns, eval.Turn{Text: "an <answer>"})
			}
		}
		var b bytes.Buffer
		if err := task.Output.Write(&b, "mine", list, answers); err != nil {
			t.Fatal(err)
		}
		if name == "alpaca-eval" {
			var rows []map[string]string
			if err := json.Unmarshal(b.Bytes(), &rows); err != nil || len(rows) != want {
				t.Fatal(len(rows), err)
			}
			if r := rows[0]; len(r) != 4 || r["dataset"] != "helpful_base" || r["generator"] != "mine" || r["output"] != "an <answer>" || !strings.HasPrefix(r["instruction"], "What are the names of some famous actors") {
				t.Errorf("%v", r)
			}
			continue
		}
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		var line struct {
			Question int    `json:"question_id"`
			Answer   string `json:"answer_id"`
			Model    string `json:"model_id"`
			Choices  []struct {
				Index int
				Turns []string
			}
			Time float64 `json:"tstamp"`
		}
		d := json.NewDecoder(strings.NewReader(lines[0]))
		d.DisallowUnknownFields()
		if err := d.Decode(&line); err != nil || len(lines) != want || line.Question != 81 || len(line.Answer) != 22 || line.Model != "mine" || len(line.Choices) != 1 || len(line.Choices[0].Turns) != 2 || line.Time < 1e9 {
			t.Errorf("%d lines, %+v, %v", len(lines), line, err)
		}
		temperatures := map[string]float64{}
		for _, item := range list {
			temperatures[item.Parts[0]] = item.Temperature
		}
		if temperatures["writing"] != 0.7 || temperatures["stem"] != 0.1 || temperatures["math"] != 0 || len(temperatures) != 8 {
			t.Errorf("%v", temperatures)
		}
	}
}

func TestPaperPrompts(t *testing.T) {
	list := items(t, get(t, "paper-prompts"), "", eval.Paper)
	if len(list) != 3 || list[1].Messages[0].Content != "How do I wrap a present neatly?" {
		t.Errorf("%+v", list)
	}
}
