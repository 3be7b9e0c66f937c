package tasks

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"mobilellm/data/ingest"
	"mobilellm/eval"
	"mobilellm/eval/dataset"
	"mobilellm/eval/internal/python"
)

// WikiText2 is the raw test split (Merity et al., 2016). lm-evaluation-harness scores
// each page detokenised, by the words and bytes of the page as it was; the paper's
// eval.py scores the rows of Hugging Face's data set, which are lines with their line
// feeds, blank ones empty, joined by two line feeds.
var WikiText2 = eval.Task{
	Name: "wikitext2", Title: "WikiText-2", Version: "2.0", Kind: eval.Rolling, Test: true,
	Sources: []eval.Source{
		{
			Names: []string{
				"wikitext-2-raw/wiki.test.raw", "wikitext2/wiki.test.raw",
				"text/wikitext-2-raw/wiki.test.raw", "../text/wikitext-2-raw/wiki.test.raw",
			},
			URL: "https://huggingface.co/datasets/Salesforce/wikitext",
		},
		hub("Salesforce/wikitext", "wikitext-2-raw-v1", "test", ""),
		hub("EleutherAI/wikitext_document_level", "wikitext-2-raw-v1", "test", ""),
	},
	Read: readWikiText,
	Questions: func(r *dataset.Record, p eval.Protocol) []eval.Item {
		text := r.Text("text")
		if p == eval.Paper {
			return one(eval.Item{Requests: wholeText(officialRows(text)), Windows: true})
		}
		var items []eval.Item
		for _, page := range pagesOf(text) {
			items = append(items, eval.Item{
				Requests: wholeText(detokenize(page)),
				Words:    len(spaces.Split(page, -1)),
				Bytes:    len(page),
			})
		}
		return items
	},
	Reports: map[eval.Protocol][]eval.Measure{
		eval.LMEval: {eval.WordPerplexity, eval.BytePerplexity, eval.BitsPerByte},
		eval.Paper:  {eval.TokenPerplexity},
	},
}

// wholeText is the request of a text.
func wholeText(text string) []eval.Request {
	return []eval.Request{{Continuation: text, Choice: text}}
}

// readWikiText gives one record, the text of all: a text file's, or that which the rows or
// pages of Hugging Face's data sets were made of.
func readWikiText(path string) dataset.Records {
	return func(yield func(*dataset.Record, error) bool) {
		join := joinRows
		if ingest.KindOf(path) == ingest.Text {
			join = dataset.Text
		}
		text, err := join(path)
		yield(dataset.NewRecord(ingest.Clean(path), map[string]any{"text": text}), err)
	}
}

// blankLine stands between paragraphs and before the first title.
const blankLine = " \n"

// joinRows puts blank lines back for empty rows, and the line feeds between pages.
func joinRows(path string) (string, error) {
	var text strings.Builder
	for r, err := range dataset.Objects(path) {
		if err != nil {
			return "", err
		}
		switch {
		case r.Has("page") && text.Len() == 0:
			text.WriteString(blankLine + r.Text("page"))
		case r.Has("page"):
			text.WriteString("\n" + r.Text("page"))
		default:
			text.WriteString(cmp.Or(r.Text("text"), blankLine))
		}
		if err := r.Err(); err != nil {
			return "", fmt.Errorf("%s: %w\nhint: is it a file of task wikitext2?", r.Name, err)
		}
	}
	return text.String(), nil
}

// officialRows joins a text's lines as the paper's eval.py does.
func officialRows(text string) string {
	var rows []string
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			line = ""
		}
		rows = append(rows, line)
	}
	return strings.Join(rows, "\n\n")
}

// pagesOf cuts a text at its titles of the first level, as the loader of the harness's
// data set does.
func pagesOf(text string) []string {
	var pages []string
	var page []string
	end := func() {
		if s := strings.Join(page, "\n"); python.Strip(s) != "" {
			pages = append(pages, s)
		}
		page = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		title := python.Strip(strings.ReplaceAll(strings.ReplaceAll(line, "= = =", "==="), "= =", "=="))
		if strings.HasPrefix(title, "= ") && strings.HasSuffix(title, " =") {
			end()
		}
		page = append(page, line)
	}
	end()
	return pages
}

// detokenizing is the harness's way back to plain text, in its order: texts to replace, or
// patterns.
var detokenizing = []struct {
	pattern  *regexp.Regexp
	from, to string
}{
	{from: "s '", to: "s'"},
	{pattern: regexp.MustCompile(`/' [0-9]/`), to: "/'[0-9]/"}, // as it stands there
	{from: " @-@ ", to: "-"},
	{from: " @,@ ", to: ","},
	{from: " @.@ ", to: "."},
	{from: " : ", to: ": "},
	{from: " ; ", to: "; "},
	{from: " . ", to: ". "},
	{from: " ! ", to: "! "},
	{from: " ? ", to: "? "},
	{from: " , ", to: ", "},
	{pattern: between(`\(`, `\)`, `[^\)]*?`), to: "($1)"},
	{pattern: between(`\[`, `\]`, `[^\]]*?`), to: "[$1]"},
	{pattern: between(`{`, `}`, `[^}]*?`), to: "{$1}"},
	{pattern: between(`"`, `"`, `[^"]*?`), to: `"$1"`},
	{pattern: between(`'`, `'`, `[^']*?`), to: `'$1'`},
	{from: "= = = =", to: "===="},
	{from: "= = =", to: "==="},
	{from: "= =", to: "=="},
	{from: " ° ", to: "°"},
	{from: " \n", to: "\n"},
	{from: "\n ", to: "\n"},
	{from: " N ", to: " 1 "},
	{from: " 's", to: "'s"},
}

var spaces = regexp.MustCompile(python.Space + "+")

// between is what stands between two marks, without white space around it.
func between(open, end, inner string) *regexp.Regexp {
	return regexp.MustCompile(open + python.Space + "*(" + inner + ")" + python.Space + "*" + end)
}

func detokenize(page string) string {
	for _, d := range detokenizing {
		if d.pattern != nil {
			page = d.pattern.ReplaceAllString(page, d.to)
		} else {
			page = strings.ReplaceAll(page, d.from, d.to)
		}
	}
	return page
}
