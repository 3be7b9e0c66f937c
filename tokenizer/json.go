package tokenizer

import (
	"fmt"
	"hash"

	"mobilellm/tokenizer/huggingface"
)

// jsonCoder is a tokenizer.json.
type jsonCoder struct{ *huggingface.Tokenizer }

// loadJSON makes a tokenizer of the tokenizer.json among files.
func loadJSON(files Files) (*Tokenizer, error) {
	f, err := huggingface.Parse(files[JSONFile])
	if err != nil {
		return nil, err
	}
	return jsonTokenizer(f, files)
}

func jsonTokenizer(f *huggingface.File, files Files) (*Tokenizer, error) {
	own := NoSpecial()
	own.Start = f.Start()
	end, ours := ownForm(f)
	if ours && isBytes(f) {
		return ownTokenizer(byteCoder{}, f, files, end, bytesPrint())
	}
	c, err := huggingface.New(f)
	if err != nil {
		return nil, err
	}
	if ours && isLearned(f) {
		return ownTokenizer(jsonCoder{c}, f, files, end, learnedPrint(f))
	}
	// Where no file names one, the usual token ends documents.
	for _, a := range f.AddedTokens {
		if a.Content == EndOfText && a.Special {
			own.EOS = []int32{a.ID}
		}
	}
	t := &Tokenizer{coder: jsonCoder{c}, files: files}
	if t.special, err = files.special(t.coder, own); err != nil {
		return nil, err
	}
	t.print, err = jsonPrint(f, files)
	return t, err
}

// ownTokenizer is one that this program made. An older file, which has no
// post-processor, gets it: its documents were opened by [EndOfText] too.
func ownTokenizer(c coder, f *huggingface.File, files Files, end int32, print func() string) (*Tokenizer, error) {
	t := &Tokenizer{coder: c, files: files, print: print}
	var err error
	if f.PostProcessor == nil {
		if t.files, err = c.starting(files, end); err != nil {
			return nil, err
		}
	}
	t.special, err = files.special(c, ownSpecial(end))
	return t, err
}

// jsonPrint hashes tokenizer.json and the ids that it has for the names of BOS and
// EOS. Since tokens have been hashed so from the first, [EndOfText] stands in where
// a name is missing, and tokenizer_config.json goes before the other file. What opens
// a text is none of its ids: a post-processor that a run has put in does not count.
func jsonPrint(f *huggingface.File, files Files) (func() string, error) {
	n, err := files.oldNames()
	if err != nil {
		return nil, err
	}
	added := map[string]int32{}
	for _, a := range f.AddedTokens {
		added[a.Content] = a.ID
	}
	id := func(name string) int32 {
		if name == "" {
			name = EndOfText
		}
		if id, ok := added[name]; ok {
			return id
		}
		return None
	}
	original, err := huggingface.Original(files[JSONFile])
	return fingerprint(func(h hash.Hash) {
		fmt.Fprintf(h, "tokenizer.json\x00%d\x00%d\x00", id(n[0]), id(n[1]))
		h.Write(original)
	}), err
}

// oldNames are those of BOS and EOS as they were read at first: a null says nothing.
func (f Files) oldNames() (names [2]string, err error) {
	for _, file := range []string{specialMapFile, ConfigFile} {
		if f[file] == nil {
			continue
		}
		n, err := f.namedBy(file)
		if err != nil {
			return names, err
		}
		for i, name := range []tokenName{n.BOS, n.EOS} {
			if name.text != "" {
				names[i] = name.text
			}
		}
	}
	return names, nil
}

func (c jsonCoder) VocabSize() int { return c.Size() }

func (c jsonCoder) AppendPart(dst []int32, text []byte, part Part) []int32 {
	return c.Append(dst, text, huggingface.Part{Begins: part.First, Ordinary: part.Ordinary})
}

func (c jsonCoder) NewDecoder() Decoder { return c.Tokenizer.NewDecoder() }

func (c jsonCoder) Vocabulary() (*Vocabulary, error) { return vocabularyOf(c.File()) }

func (c jsonCoder) tokenBytes(id int32) []byte { return c.InText(id) }

func (c jsonCoder) textBytes(s Special) (lengths []int32, prefix int) {
	lengths = make([]int32, c.Size())
	for id := range lengths {
		if int32(id) != s.BOS && int32(id) != s.end() {
			lengths[id] = int32(len(c.Token(int32(id))))
		}
	}
	if c.Prefixed() {
		prefix = 1
	}
	return lengths, prefix
}

func (c jsonCoder) starting(files Files, start int32) (Files, error) {
	return startingJSON(files, c.File(), start)
}

// startingJSON puts the token that opens a text into tokenizer.json.
func startingJSON(files Files, f *huggingface.File, start int32) (Files, error) {
	token, ok := "", start == None
	if start != None {
		token, ok = tokenText(f, start)
	}
	if !ok {
		return nil, fmt.Errorf("id %d, which is to open texts, is no token of %s", start, JSONFile)
	}
	return files.withStart(token, start)
}

// tokenText is the text of an id in the file.
func tokenText(f *huggingface.File, id int32) (string, bool) {
	for _, a := range f.AddedTokens {
		if a.ID == id {
			return a.Content, true
		}
	}
	for text, known := range f.Model.Vocab {
		if known == id {
			return text, true
		}
	}
	return "", false
}
