package tokenizer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"mobilellm/tokenizer/huggingface"
	"mobilellm/tokenizer/sentencepiece"
)

// tiktoken is a line of tiktoken's lists, which some folders have under the name of
// SentencePiece's model: a token in base64 and its rank.
var tiktoken = regexp.MustCompile(`^[A-Za-z0-9+/]+=* [0-9]+\r?\n`)

// loadBoth makes a tokenizer of a SentencePiece model and the files beside it. Where
// tokenizer.json, or else added_tokens.json, has more tokens than the model it counts;
// where it says the same, SentencePiece's ids are the model's own. Tokens in which the
// two differ are an error.
func loadBoth(model *sentencepiece.Model, files Files) (*Tokenizer, error) {
	if files[JSONFile] == nil {
		f, err := withAdded(model, files)
		if f == nil || err != nil {
			if err != nil {
				return nil, err
			}
			return piecesTokenizer(model, files)
		}
		raw, err := f.Marshal()
		if err != nil {
			return nil, err
		}
		return loadJSON(files.with(JSONFile, raw)) // which gives the tokens their ids
	}
	f, err := huggingface.Parse(files[JSONFile])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", JSONFile, err)
	}
	more, err := compare(model, f)
	if err != nil {
		return nil, err
	}
	if !more && samePrefix(model, f) {
		return piecesTokenizer(model, files)
	}
	t, err := jsonTokenizer(f, files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", JSONFile, err)
	}
	return t, nil
}

// compare says whether tokenizer.json has tokens that the model lacks. A token that
// both have under different ids, or an id under different texts, is an error.
func compare(model *sentencepiece.Model, f *huggingface.File) (more bool, err error) {
	check := func(text string, id int32) error {
		if int(id) >= model.Size() {
			more = true
			return nil
		}
		if piece := model.Piece(id).Text; piece != text {
			return fmt.Errorf("%s and %s disagree: id %d is %q in the one and %q in the other\nhint: remove the file that is not the model's", JSONFile, ModelFile, id, text, piece)
		}
		return nil
	}
	if text, bad := f.Model.Vocab.First(func(text string, id int32) bool { return check(text, id) != nil }); bad {
		return false, check(text, f.Model.Vocab[text])
	}
	for _, a := range f.AddedTokens {
		if err := check(a.Content, a.ID); err != nil {
			return false, err
		}
		if int(a.ID) < model.Size() && model.Piece(a.ID).Type == sentencepiece.Normal {
			more = true // found as a whole, where the model merges
		}
	}
	if len(f.Model.Vocab) < model.Size() && len(f.AddedTokens) == 0 {
		return false, fmt.Errorf("%s has %d tokens, %s %d\nhint: remove the file that is not the model's", JSONFile, len(f.Model.Vocab), ModelFile, model.Size())
	}
	return more, nil
}

// samePrefix says whether both put a blank before a text, or neither.
func samePrefix(model *sentencepiece.Model, f *huggingface.File) bool {
	prefix, nfc, err := f.PiecesPrefix()
	return err == nil && !nfc && prefix == model.Normalizer().AddDummyPrefix && f.Model.Type == huggingface.BPE
}

// withAdded describes a model with the tokens that added_tokens.json or
// tokenizer_config.json add to it, nil where they add none.
func withAdded(model *sentencepiece.Model, files Files) (*huggingface.File, error) {
	var added []huggingface.AddedToken
	if raw := files[addedTokensFile]; raw != nil {
		var ids map[string]int32
		if err := json.Unmarshal(raw, &ids); err != nil {
			return nil, fmt.Errorf("%s: %w", addedTokensFile, err)
		}
		for text, id := range ids {
			added = append(added, huggingface.AddedToken{ID: id, Content: text, Special: true})
		}
	}
	if raw := files[ConfigFile]; raw != nil {
		var config struct {
			Added map[int32]huggingface.AddedToken `json:"added_tokens_decoder"`
		}
		if err := json.Unmarshal(raw, &config); err != nil {
			return nil, fmt.Errorf("%s: %w", ConfigFile, err)
		}
		if len(config.Added) > 0 {
			added = nil // it says more of them
		}
		for id, a := range config.Added {
			a.ID = id
			added = append(added, a)
		}
	}
	slices.SortFunc(added, func(a, b huggingface.AddedToken) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Content, b.Content))
	})
	more := false
	for _, a := range added {
		if a.ID < 0 || int(a.ID) > 1<<24 {
			return nil, fmt.Errorf("added token %q has id %d", a.Content, a.ID)
		}
		if int(a.ID) < model.Size() {
			if piece := model.Piece(a.ID); piece.Text != a.Content {
				return nil, fmt.Errorf("added token %q has the id %d of piece %q of %s", a.Content, a.ID, piece.Text, ModelFile)
			}
			continue
		}
		more = true
	}
	if !more {
		return nil, nil
	}
	n, err := files.named()
	if err != nil {
		return nil, err
	}
	f := piecesCoder{model}.vocabulary().file()
	if f == nil {
		return nil, fmt.Errorf("%w: tokens are added to a %s of which no %s can be made\nhint: transformers makes one of the folder", ErrKind, ModelFile, JSONFile)
	}
	known := map[int32]bool{}
	for _, a := range f.AddedTokens {
		known[a.ID] = true
	}
	for _, a := range added {
		if !known[a.ID] {
			f.AddedTokens = append(f.AddedTokens, a)
		}
	}
	if id, ok := model.ID(n.BOS.text); ok && (n.AddBOS == nil || *n.AddBOS) {
		f.PostProcessor = huggingface.StartsWith(n.BOS.text, id)
	}
	slices.SortFunc(f.AddedTokens, func(a, b huggingface.AddedToken) int { return int(a.ID - b.ID) })
	return f, nil
}
