package tasks_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/tasks"
)

// same wants a file's items to be those of the records in testdata.
func same(t *testing.T, task, file string, withID bool) {
	t.Helper()
	got, want := items(t, get(t, task), file, eval.LMEval), items(t, get(t, task), "testdata/records/"+recordsOf[task], eval.LMEval)
	if !withID {
		for i := range want {
			got[i].ID, want[i].ID = "", ""
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n%+v, want\n%+v", file, got, want)
	}
}

var recordsOf = map[string]string{
	"race": "race.jsonl", "race_high": "race.jsonl", "triviaqa": "triviaqa.jsonl", "arc_easy": "arc_easy.jsonl",
	"boolq": "boolq.jsonl", "piqa": "piqa.jsonl", "openbookqa": "openbookqa.jsonl", "wsc273": "wsc273.jsonl",
}

type object = map[string]any

// records are those of testdata.
func records(t *testing.T, name string) []object {
	t.Helper()
	return readGolden[object](t, "records/"+name+".jsonl")
}

func writeJSON(t *testing.T, name string, values ...any) {
	t.Helper()
	var text strings.Builder
	for _, v := range values {
		line, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(line, '\n'))
	}
	write(t, name, text.String())
}

// TestRACEFolder reads RACE as it is published, a file an article.
func TestRACEFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "RACE/test/high")
	for i, r := range records(t, "race") {
		writeJSON(t, filepath.Join(folder, string(rune('a'+i))+".txt"), r)
	}
	same(t, "race", folder, true)
	same(t, "race_high", folder, true)
}

// TestRACERows reads Hugging Face's ehovy/race, a row a question.
func TestRACERows(t *testing.T) {
	var rows []any
	for _, r := range records(t, "race") {
		for i, question := range r["questions"].([]any) {
			rows = append(rows, object{
				"example_id": r["id"], "article": r["article"], "question": question,
				"answer": r["answers"].([]any)[i], "options": r["options"].([]any)[i],
			})
		}
	}
	file := filepath.Join(t.TempDir(), "test.jsonl")
	writeJSON(t, file, rows...)
	same(t, "race", file, true)
	same(t, "race_high", file, true)
}

// TestTriviaQAObject reads TriviaQA as it is published, an object with all questions.
func TestTriviaQAObject(t *testing.T) {
	var data []any
	for _, r := range records(t, "triviaqa") {
		question := strings.TrimSuffix(strings.TrimPrefix(r["context"].(string), "Question: "), "\nAnswer:")
		data = append(data, object{"Question": question, "Answer": object{"Aliases": r["aliases"], "Value": r["answer"]}})
	}
	file := filepath.Join(t.TempDir(), "unfiltered-web-dev.json")
	writeJSON(t, file, object{"Data": data, "Version": 1.0})
	same(t, "triviaqa", file, true)
}

// TestBoolQTitle reads Google's own form, whose titles begin SuperGLUE's passages.
func TestBoolQTitle(t *testing.T) {
	var rows []any
	for _, r := range records(t, "boolq") {
		title, passage, _ := strings.Cut(r["passage"].(string), " -- ")
		rows = append(rows, object{"question": r["question"], "title": title, "passage": passage, "answer": r["label"]})
	}
	file := filepath.Join(t.TempDir(), "dev.jsonl")
	writeJSON(t, file, rows...)
	same(t, "boolq", file, true)
}

// TestOpenBookQAOwn reads AI2's form.
func TestOpenBookQAOwn(t *testing.T) {
	var rows []any
	for _, r := range records(t, "openbookqa") {
		var choices []any
		for i, text := range r["choices"].([]any) {
			choices = append(choices, object{"text": text, "label": string(rune('A' + i))})
		}
		rows = append(rows, object{
			"id": "x", "question": object{"stem": r["query"], "choices": choices},
			"answerKey": string(rune('A' + int(r["gold"].(float64)))),
		})
	}
	file := filepath.Join(t.TempDir(), "test.jsonl")
	writeJSON(t, file, rows...)
	same(t, "openbookqa", file, false)
}

// TestWSCCollection reads the authors' XML.
func TestWSCCollection(t *testing.T) {
	var text strings.Builder
	text.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<collection>\n")
	for _, r := range records(t, "wsc273") {
		runes := []rune(strings.ReplaceAll(r["text"].(string), "  ", " "))
		at, pronoun := int(r["pronoun_loc"].(float64)), r["pronoun"].(string)
		options := r["options"].([]any)
		text.WriteString("<schema>\n<text>\n<txt1>" + string(runes[:at]) + "</txt1>\n<pron> " + pronoun + "\n</pron>\n<txt2>\n" + string(runes[at+len(pronoun):]) +
			" </txt2></text>\n<quote><quote1>x</quote1></quote>\n<answers>\n<answer> " + options[0].(string) + "</answer><answer>" + options[1].(string) +
			"</answer>\n</answers>\n<correctAnswer> " + string(rune('A'+int(r["label"].(float64)))) + ".\n</correctAnswer></schema>\n")
	}
	whole := text.String() + "</collection>\n"
	file := filepath.Join(t.TempDir(), "WSCollection.xml")
	write(t, file, whole)
	same(t, "wsc273", file, true)
	write(t, file, whole[:len(whole)/2])
	refused(t, "wsc273", file, "WSCollection.xml:", "XML syntax error")
	write(t, file, strings.Replace(whole, "A.", "C.", 1))
	refused(t, "wsc273", file, "WSCollection.xml:3: item 0:", `no field "label"`)
}

func TestZstandard(t *testing.T) {
	text, err := os.ReadFile("testdata/records/arc_easy.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "test.jsonl.zst")
	write(t, file, string(z.EncodeAll(text, nil)))
	same(t, "arc_easy", file, true)
}

// TestFind looks for files under the names of Hugging Face's downloads and its cache, in
// parts too.
func TestFind(t *testing.T) {
	table, err := os.ReadFile("testdata/hub/arc_easy.parquet")
	if err != nil {
		t.Fatal(err)
	}
	task := get(t, "arc_easy")
	once := items(t, task, "testdata/hub/arc_easy.parquet", eval.LMEval)
	for name, files := range map[string][]string{
		"a folder of the data set":  {"ai2_arc/ARC-Easy/test-00000-of-00001.parquet"},
		"with its owner's":          {"allenai/ai2_arc/ARC-Easy/test-00000-of-00001.parquet"},
		"the hub's cache":           {"datasets--allenai--ai2_arc/snapshots/0123/ARC-Easy/test-00000-of-00001.parquet"},
		"two parts":                 {"ai2_arc/ARC-Easy/test-00000-of-00002.parquet", "ai2_arc/ARC-Easy/test-00001-of-00002.parquet"},
		"below a folder named eval": {"eval/ai2_arc/ARC-Easy/test-00000-of-00001.parquet"},
	} {
		folder := t.TempDir()
		for _, file := range files {
			write(t, filepath.Join(folder, file), string(table))
		}
		file, ok := task.File(folder)
		if !ok {
			t.Errorf("%s: not found", name)
			continue
		}
		if got := items(t, task, file, eval.LMEval); len(got) != len(files)*len(once) {
			t.Errorf("%s: %d items, want %d", name, len(got), len(files)*len(once))
		}
	}
}

// TestFindMissing tells what is there and what is not.
func TestFindMissing(t *testing.T) {
	folder := t.TempDir()
	task := get(t, "piqa")
	if _, ok := task.File(folder); ok {
		t.Error("found in an empty folder")
	}
	write(t, filepath.Join(folder, "piqa/valid.jsonl"), `{"goal": "g", "sol1": "a", "sol2": "b"}`)
	if file, ok := task.File(folder); ok {
		t.Errorf("%s is taken without labels", file)
	}
	found := task.Find(folder)[0]
	if found.File == "" || found.Labels != "" || found.Examples != "" || found.Complete() {
		t.Errorf("found %+v", found)
	}
	write(t, filepath.Join(folder, "piqa/valid-labels.lst"), "0\n")
	write(t, filepath.Join(folder, "piqa/train.jsonl.gz"), "")
	found = task.Find(folder)[0]
	if found.Labels == "" || found.Examples == "" || !found.Complete() {
		t.Errorf("found %+v", found)
	}
}

// TestPackedLabels reads labels that are packed as the records are.
func TestPackedLabels(t *testing.T) {
	folder := t.TempDir()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"piqa.jsonl": "piqa/valid.jsonl", "piqa-labels.lst": "piqa/valid-labels.lst"} {
		text, err := os.ReadFile("testdata/records/" + from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, to+".zst"), string(z.EncodeAll(text, nil)))
	}
	file, ok := get(t, "piqa").File(folder)
	if !ok {
		t.Fatal("not found")
	}
	same(t, "piqa", file, true)
}

func TestGet(t *testing.T) {
	got, err := tasks.Get("zero-shot, race_all,piqa")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, task := range got {
		names = append(names, task.Title)
	}
	want := []string{"ARC-e", "ARC-c", "BoolQ", "PIQA", "SIQA", "HellaSwag", "OBQA", "WinoGrande", "RACE-m", "RACE-h"}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if _, err := tasks.Get("arc"); err == nil || !strings.Contains(err.Error(), `no task "arc"`) || !strings.Contains(err.Error(), "arc_easy") {
		t.Error(err)
	}
}

// TestPaper has priors for the two tasks that LLaMA divides by them, and one text of
// WikiText-2.
func TestPaper(t *testing.T) {
	for _, name := range []string{"openbookqa", "boolq"} {
		task := get(t, name)
		if m := task.Measures(eval.Paper)[0].Name; m != "acc_prior" {
			t.Errorf("%s reports %s", name, m)
		}
		for _, item := range items(t, task, "testdata/records/"+name+".jsonl", eval.Paper) {
			for _, r := range item.Requests {
				if r.Prior != "Answer:" {
					t.Errorf("%s, item %s: prior %q", name, item.ID, r.Prior)
				}
			}
		}
		for _, item := range items(t, task, "testdata/records/"+name+".jsonl", eval.LMEval) {
			for _, r := range item.Requests {
				if r.Prior != "" {
					t.Errorf("%s, item %s: prior %q", name, item.ID, r.Prior)
				}
			}
		}
	}
	if m := get(t, "triviaqa").Measures(eval.Paper)[0].Name; m != "f1" {
		t.Errorf("triviaqa reports %s", m)
	}
	for name, m := range map[string]string{"hellaswag": "acc_norm", "arc_easy": "acc_norm", "social_iqa": "acc_norm", "race_high": "acc_norm"} {
		if got := get(t, name).Measures(eval.Paper)[0].Name; got != m {
			t.Errorf("%s reports %s, want %s", name, got, m)
		}
	}
}

// TestTasks holds every task to having what it needs under its protocols.
func TestTasks(t *testing.T) {
	seen := make(map[string]bool)
	for _, task := range tasks.All() {
		if seen[task.Name] || task.Title == "" || task.Version == "" || task.Kind == "" || (len(task.Sources) == 0 || task.Questions == nil) && task.Given == nil {
			t.Errorf("%s: %+v", task.Name, task)
		}
		seen[task.Name] = true
		if len(task.Measures(eval.LMEval)) == 0 {
			t.Errorf("%s measures nothing by lm-eval's protocol", task.Name)
		}
		for _, source := range task.Sources {
			if len(source.Names) == 0 || !strings.HasPrefix(source.URL, "https://") {
				t.Errorf("%s: source %+v", task.Name, source)
			}
		}
	}
	for group, names := range tasks.Groups {
		for _, name := range names {
			if !seen[name] {
				t.Errorf("group %s has no task %s", group, name)
			}
		}
	}
}

// TestOfficialWikiText is the text of the paper's eval.py (../shared/data/README.md).
func TestOfficialWikiText(t *testing.T) {
	task := get(t, "wikitext2")
	file, ok := task.File(sharedData)
	if !ok {
		t.Skip("no WikiText-2 in ../shared")
	}
	got := items(t, task, file, eval.Paper)
	if len(got) != 1 || !got[0].Windows {
		t.Fatalf("%d items", len(got))
	}
	const want = "696cca6b65a171b0a358a4be6732cdfdf2dd6164a32e20fd70e3c13fc4dfae83"
	if text := got[0].Requests[0].Continuation; len(text) != 1_296_370 || sum(text) != want {
		t.Errorf("%d bytes with hash %s", len(text), sum(text))
	}
	var pages []any
	raw, err := dataset.Text(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range tasks.PagesOf(raw) {
		pages = append(pages, object{"page": page})
	}
	level := filepath.Join(t.TempDir(), "test.jsonl")
	writeJSON(t, level, pages...)
	for _, p := range []eval.Protocol{eval.LMEval, eval.Paper} {
		if got, want := items(t, task, level, p), items(t, task, file, p); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: pages give other items than the file", p)
		}
	}
}

// TestWikiTextRows has the same text from Hugging Face's rows and from the file.
func TestWikiTextRows(t *testing.T) {
	task := get(t, "wikitext2")
	rows := items(t, task, "testdata/hub/wikitext2.parquet", eval.Paper)
	raw := items(t, task, "testdata/records/wiki.test.raw", eval.Paper)
	if rows[0].Requests[0] != raw[0].Requests[0] {
		t.Error("rows give another text than the file")
	}
}
