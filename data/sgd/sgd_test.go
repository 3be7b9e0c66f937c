package sgd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/data/apicall"
)

func TestSample(t *testing.T) {
	list, err := Read("testdata/sample")
	if err != nil {
		t.Fatal(err)
	}
	train, dev, test := Divide(list, 2)
	var got []string
	for _, part := range [][]Conversation{train, dev, test} {
		for _, c := range part {
			seen := ""
			if c.Seen {
				seen = " seen"
			}
			got = append(got, c.Split+" "+c.ID+seen)
		}
		got = append(got, "-")
	}
	const want = "train 1_00000 seen, train 1_00002 seen, -, dev 2_00000 seen, -, train 1_00001 seen, train 1_00003 seen, test 3_00000, test 3_00001, -"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
	c := train[0]
	if len(c.Messages) != 7 || c.Messages[0].Role != "system" || !strings.HasSuffix(c.Messages[0].Content, `
FindCafe(town, price: "low" | "middle" | "high" = None): Find a cafe in a town
BookTable(cafe_name, time, guests: "1" | "2" | "3" | "4" = None): Book a table in a cafe`) {
		t.Errorf("messages %+v", c.Messages)
	}
	m := c.Messages[4]
	if m.Role != "assistant" || m.API != "FindCafe" || m.Service != "Cafes_1" || m.Content != `{"role": "PARSER", "message": "FindCafe(town = \"Ghent\", price = \"low\")"}
{"role": "AGENT", "message": "There is Blue Bean in Ghent."}` {
		t.Errorf("message %+v", m)
	}
	if m := c.Messages[2]; m.API != "" || m.Content != `{"role": "AGENT", "message": "In which town?"}` {
		t.Errorf("message %+v", m)
	}
}

// Every call of the data parses to itself and is of an API of its dialogue.
func TestSGD(t *testing.T) {
	const folder = "../../../shared/data/api/sgd"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("needs the Schema-Guided Dialogue data in " + folder)
	}
	list, err := Read(folder)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, c := range list {
		for _, m := range c.Messages {
			if m.API == "" {
				continue
			}
			call, err := apicall.Parse(apicall.ParseTurn(m.Content).Call)
			if err != nil || call.Name != m.API {
				t.Errorf("dialogue %s: %s: %v", c.ID, m.Content, err)
			}
			calls[c.Split]++
		}
	}
	if len(list) != 1280 || calls["train"] != 1607 || calls["dev"] != 465 || calls["test"] != 398 {
		t.Errorf("%d dialogues, calls %v", len(list), calls)
	}
}

func TestBroken(t *testing.T) {
	const schema = `[{"service_name": "S", "slots": [{"name": "a", "is_categorical": false}], "intents": [{"name": "Go", "required_slots": ["a"], "optional_slots": {}}]}]`
	turns := func(user, system string) string {
		return `[{"dialogue_id": "7", "services": ["S"], "turns": [{"speaker": "USER", "utterance": "` + user + `", "frames": []}` + system + `]}]`
	}
	answer := func(frame string) string {
		return `, {"speaker": "SYSTEM", "utterance": "yes", "frames": [` + frame + `]}`
	}
	for _, c := range []struct{ name, schema, dialogues, want string }{
		{"no schema", "", turns("hi", answer("")), "schema.json, which says what APIs there are"},
		{"schema of another kind", `[{"text": "x"}]`, turns("hi", answer("")), "schema.json[0]: no service_name"},
		{"a slot that is not there", strings.Replace(schema, `["a"]`, `["b"]`, 1), turns("hi", answer("")), `schema.json[0]: service S: intent Go wants the slot "b"`},
		{"cut short", schema, turns("hi", answer(""))[:60], "dialogues_001.json"},
		{"of another kind", schema, `[{"text": "x"}]`, "dialogues_001.json[0]: no dialogue of SGD"},
		{"the user last", schema, turns("hi", ""), "dialogue 7: turn 0: the last is the user's"},
		{"no utterance", schema, turns(" ", answer("")), "dialogue 7: turn 0: no utterance"},
		{"two users", schema, turns("hi", `, {"speaker": "USER", "utterance": "x"}`), `dialogue 7: turn 1: speaker "USER", want "SYSTEM"`},
		{"no such service", schema, strings.Replace(turns("hi", answer("")), `["S"]`, `["T"]`, 1), `dialogue 7: the service "T" is not in schema.json`},
		{"no such intent", schema, turns("hi", answer(`{"service": "S", "service_call": {"method": "Stop", "parameters": {}}}`)), `turn 1: service_call: Stop is no intent of service "S"`},
		{"no such parameter", schema, turns("hi", answer(`{"service": "S", "service_call": {"method": "Go", "parameters": {"a": "1", "z": "2"}}}`)), `turn 1: service_call: Go has no parameter "z"`},
		{"no text", schema, turns("hi", answer(`{"service": "S", "service_call": {"method": "Go", "parameters": {"a": 1}}}`)), `turn 1: service_call: parameter a is no string: 1`},
		{"two calls", schema, turns("hi", answer(`{"service": "S", "service_call": {"method": "Go", "parameters": {"a": "1"}}}, {"service": "S", "service_call": {"method": "Go", "parameters": {"a": "1"}}}`)), "turn 1: a service_call of the user's, or a second one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{"schema.json": c.schema, "dialogues_001.json": c.dialogues}
			for name, text := range files {
				if err := os.MkdirAll(filepath.Join(dir, "train"), 0o755); err != nil {
					t.Fatal(err)
				}
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, "train", name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Read(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "has no dialogues") {
		t.Error(err)
	}
}
