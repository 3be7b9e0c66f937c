package apicall

import (
	"reflect"
	"testing"
)

// The calls of the paper's appendix H.5, and others.
func TestCalls(t *testing.T) {
	for _, c := range []struct {
		text string
		want Call
	}{
		{
			`style_transfer(text = "We are looking forward to seeing you", style = ["sms"], contact = None)`,
			Call{"style_transfer", []Arg{{"text", "We are looking forward to seeing you"}, {"style", []any{"sms"}}, {"contact", nil}}},
		},
		{
			`get_sports_information(match = "", sport_type = "NFL", metric = "winner")`,
			Call{"get_sports_information", []Arg{{"match", ""}, {"sport_type", "NFL"}, {"metric", "winner"}}},
		},
		{`now()`, Call{Name: "now"}},
		{`set(a = 7, b = -2.5e3, c = True, d = False, e = [])`, Call{"set", []Arg{{"a", Number("7")}, {"b", Number("-2.5e3")}, {"c", true}, {"d", false}, {"e", []any{}}}}},
		{`say(text = "a \"b\" \\ c\nd é", more = [["x"], None])`, Call{"say", []Arg{{"text", "a \"b\" \\ c\nd é"}, {"more", []any{[]any{"x"}, nil}}}}},
		{`math.add-two(x = 1)`, Call{"math.add-two", []Arg{{"x", Number("1")}}}},
	} {
		got, err := Parse(c.text)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v, %v", c.text, got, err)
		}
		if text := c.want.String(); text != c.text {
			t.Errorf("written %s, want %s", text, c.text)
		}
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`f(a = "x", b = 1)`, ` f( b=1.0,a='x' ) `, true},
		{`f(a = "x", b = None)`, `f(a = "x")`, true},
		{`f(a = "x")`, `g(a = "x")`, false},
		{`f(a = "x")`, `f(a = "y")`, false},
		{`f(a = "x")`, `f(b = "x")`, false},
		{`f(a = "1")`, `f(a = 1)`, false},
		{`f(a = ["x", "y"])`, `f(a = ["y", "x"])`, false},
		{`f(a = ["x"])`, `f(a = "x")`, false},
		{`f(a = "x")`, `f(a = ["x"])`, false},
		{`f(a = True)`, `f(a = False)`, false},
	} {
		a, err := Parse(c.a)
		b, err2 := Parse(c.b)
		if err != nil || err2 != nil || a.Equal(b) != c.want || b.Equal(a) != c.want {
			t.Errorf("%s, %s: %v, %v, %v", c.a, c.b, a.Equal(b), err, err2)
		}
	}
}

func TestBroken(t *testing.T) {
	for text, want := range map[string]string{
		``:                   `byte 0 of a call: want the name of an API, got the end`,
		`f`:                  `byte 1 of a call: want '(', got the end`,
		`f(a = "x`:           `byte 8 of a call: want the quote that ends a string, got the end`,
		`f(a = )`:            `byte 6 of a call: want a value, got ')'`,
		`f(a = x)`:           `byte 6 of a call: want a value, got 'x'`,
		`f(a "x")`:           `byte 4 of a call: want '=', got '"'`,
		`f(a = 1 b = 2)`:     `byte 8 of a call: want ',', got 'b'`,
		`f(a = 1, a = 2)`:    `byte 10 of a call: want an argument other than a, which is there, got ' '`,
		`f(a = 1-2)`:         `byte 6 of a call: want a number, got '1'`,
		`f() g()`:            `byte 4 of a call: want the end, got 'g'`,
		`Sure, I can do it.`: `byte 4 of a call: want '(', got ','`,
	} {
		if c, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v, want %s", text, c, err, want)
		}
	}
}

func TestTurns(t *testing.T) {
	turn := Turn{Call: `news(query = "latest <alien> news")`, Reply: "NASA said \"hi\"\n& more."}
	const text = `{"role": "PARSER", "message": "news(query = \"latest <alien> news\")"}` + "\n" + `{"role": "AGENT", "message": "NASA said \"hi\"\n& more."}`
	if turn.String() != text {
		t.Errorf("written %s", turn)
	}
	for text, want := range map[string]Turn{
		text: turn,
		`{"role": "PARSER", "message": "a()"},` + "\n" + `{"role": "AGENT", "message": "b"},`: {"a()", "b"},
		`{"role": "AGENT", "message": "only"}`:                                                {"", "only"},
		"I do not\nknow.":                                                                     {"", "I do not\nknow."},
		`{"role": "PARSER", "message": "a()"}` + "\nDone.":                                    {"a()", "Done."},
		`{"role": "PARSER", "message": "a(`:                                                   {"", `{"role": "PARSER", "message": "a(`},
		`{"role": "USER", "message": "x"}`:                                                    {},
		`{"role": "PARSER", "message": "a()"}` + "\n\n" + `{"ro`:                              {"a()", `{"ro`},
	} {
		if got := ParseTurn(text); got.Call != want.Call || got.Reply != want.Reply {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestSignature(t *testing.T) {
	a := API{Name: "Find", Description: "Find a place", Parameters: []byte(`{"type": "object", "properties": {"city": {"type": "string"}, "price": {"enum": ["low", "high"]}}, "required": ["city"]}`)}
	if got, err := a.Signature(); err != nil || got != `Find(city, price: "low" | "high" = None): Find a place` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := (API{Name: "Find", Parameters: []byte(`[]`)}).Signature(); err == nil {
		t.Error("a list is no schema")
	}
}
