package sgd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mobilellm/data/apicall"
	"mobilellm/data/ingest"
)

// Splits are the folders of the data.
var Splits = []string{"train", "dev", "test"}

// Conversation is a dialogue in OpenAI's form, with what an evaluation wants of it.
type Conversation struct {
	ID       string        `json:"id"`
	Split    string        `json:"split"` // of the data that it is of
	Services []string      `json:"services"`
	Seen     bool          `json:"seen"` // all its services are trained on, see [Divide]
	APIs     []apicall.API `json:"apis"`
	Messages []Message     `json:"messages"`
}

// Message is one of a conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
	API     string `json:"api,omitempty"`     // that an assistant's message calls
	Service string `json:"service,omitempty"` // that the API is of
}

// dialogue is one as the data has it.
type dialogue struct {
	ID       string   `json:"dialogue_id"`
	Services []string `json:"services"`
	Turns    []struct {
		Speaker   string `json:"speaker"`
		Utterance string `json:"utterance"`
		Frames    []struct {
			Service string `json:"service"`
			Call    *struct {
				Method     string         `json:"method"`
				Parameters map[string]any `json:"parameters"`
			} `json:"service_call"`
		} `json:"frames"`
	} `json:"turns"`
}

// opening is what the system message says before the APIs.
const opening = "Answer the user. Call one of these APIs when all that it needs is known:\n"

// Read reads the splits that a folder has, packed or not, in their order. What is wrong
// with a dialogue is an error that names file, dialogue and turn.
func Read(folder string) ([]Conversation, error) {
	if _, err := os.Stat(folder); err != nil {
		return nil, err
	}
	var list []Conversation
	for _, split := range Splits {
		if _, err := os.Stat(filepath.Join(folder, split)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		services, err := readSchema(filepath.Join(folder, split))
		if err != nil {
			return nil, err
		}
		files, err := ingest.Files(filepath.Join(folder, split, "dialogues_*"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			err := each(file, func(d dialogue) error {
				c, err := conversation(d, services)
				c.Split = split
				list = append(list, c)
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no dialogues\nhint: SGD has folders %s with schema.json and dialogues_001.json, …", ingest.Clean(folder), strings.Join(Splits, ", "))
	}
	return list, nil
}

// readSchema reads the services of a split.
func readSchema(dir string) (map[string][]apicall.API, error) {
	files, err := ingest.Files(filepath.Join(dir, "schema.json*"))
	if err != nil {
		return nil, fmt.Errorf("schema.json, which says what APIs there are: %w", err)
	}
	services := map[string][]apicall.API{}
	return services, each(files[0], func(s service) error {
		if s.Name == "" {
			return errors.New("no service_name: is it a schema.json of SGD?")
		}
		services[s.Name], err = s.apis()
		return err
	})
}

// each reads the objects of a file.
func each[T any](file string, f func(T) error) error {
	in, err := ingest.Open(file, ingest.Options{Kind: ingest.JSON})
	if err != nil {
		return err
	}
	defer in.Close()
	for {
		r, err := in.Next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err == nil {
			err = r.Err
		}
		var v T
		if err == nil {
			if err = json.Unmarshal(r.Text, &v); err == nil {
				err = f(v)
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", ingest.Clean(r.Name), err)
			}
		}
		if err != nil {
			return err
		}
	}
}

// conversation makes messages of a dialogue.
func conversation(d dialogue, services map[string][]apicall.API) (Conversation, error) {
	c := Conversation{ID: d.ID, Services: d.Services}
	if d.ID == "" || len(d.Turns) == 0 {
		return c, errors.New("no dialogue of SGD: it wants dialogue_id, services and turns")
	}
	system := opening
	for _, name := range d.Services {
		apis, ok := services[name]
		if !ok {
			return c, fmt.Errorf("dialogue %s: the service %q is not in schema.json", d.ID, name)
		}
		for _, api := range apis {
			line, err := api.Signature()
			if err != nil {
				return c, fmt.Errorf("dialogue %s: %w", d.ID, err)
			}
			system += line + "\n"
		}
		c.APIs = append(c.APIs, apis...)
	}
	c.Messages = append(c.Messages, Message{Role: "system", Content: strings.TrimSuffix(system, "\n")})
	for i := range d.Turns {
		m, err := d.message(i, c.APIs)
		if err != nil {
			return c, fmt.Errorf("dialogue %s: turn %d: %w", d.ID, i, err)
		}
		c.Messages = append(c.Messages, m)
	}
	if len(d.Turns)%2 != 0 {
		return c, fmt.Errorf("dialogue %s: turn %d: the last is the user's, want the system's", d.ID, len(d.Turns)-1)
	}
	return c, nil
}

// speakers are those of the turns, one after the other.
var speakers = []string{"USER", "SYSTEM"}

// message is that of the i-th turn.
func (d dialogue) message(i int, apis []apicall.API) (Message, error) {
	t := d.Turns[i]
	if want := speakers[i%2]; t.Speaker != want {
		return Message{}, fmt.Errorf("speaker %q, want %q", t.Speaker, want)
	}
	if strings.TrimSpace(t.Utterance) == "" {
		return Message{}, errors.New("no utterance")
	}
	m := Message{Role: "user", Content: t.Utterance}
	turn := apicall.Turn{Reply: t.Utterance}
	for _, f := range t.Frames {
		if f.Call == nil {
			continue
		}
		if t.Speaker == speakers[0] || turn.Call != "" {
			return m, errors.New("a service_call of the user's, or a second one")
		}
		at := slices.IndexFunc(apis, func(a apicall.API) bool { return a.Service == f.Service && a.Name == f.Call.Method })
		if at < 0 {
			return m, fmt.Errorf("service_call: %s is no intent of service %q", f.Call.Method, f.Service)
		}
		call, err := callOf(apis[at], f.Call.Parameters)
		if err != nil {
			return m, fmt.Errorf("service_call: %w", err)
		}
		turn.Call, m.API, m.Service = call.String(), f.Call.Method, f.Service
	}
	if t.Speaker == speakers[1] {
		m.Role, m.Content = "assistant", turn.String()
	}
	return m, nil
}

// callOf is a call with its arguments in the API's order.
func callOf(api apicall.API, parameters map[string]any) (apicall.Call, error) {
	call := apicall.Call{Name: api.Name}
	names, err := api.Arguments()
	if err != nil {
		return call, err
	}
	for _, name := range names {
		value, ok := parameters[name]
		if !ok {
			continue
		}
		text, ok := value.(string)
		if !ok {
			return call, fmt.Errorf("parameter %s is no string: %v", name, value)
		}
		call.Args = append(call.Args, apicall.Arg{Name: name, Value: text})
	}
	if len(call.Args) < len(parameters) {
		for name := range parameters {
			if !slices.Contains(names, name) {
				return call, fmt.Errorf("%s has no parameter %q", api.Name, name)
			}
		}
	}
	return call, nil
}

// Divide says which conversations are trained on and which are held out: of those of train
// every n-th is, so that services that are seen in training are among what is held out.
// 0 holds out none. It sets Seen.
func Divide(list []Conversation, n int) (train, dev, test []Conversation) {
	seen, number := map[string]bool{}, 0
	for _, c := range list {
		held := false
		if c.Split == "train" {
			number++
			held = n > 0 && number%n == 0
		}
		switch {
		case c.Split == "dev":
			dev = append(dev, c)
		case c.Split == "test" || held:
			test = append(test, c)
		default:
			train = append(train, c)
			for _, s := range c.Services {
				seen[s] = true
			}
		}
	}
	for _, part := range [][]Conversation{train, dev, test} {
		for i, c := range part {
			part[i].Seen = !slices.ContainsFunc(c.Services, func(s string) bool { return !seen[s] })
		}
	}
	return train, dev, test
}
