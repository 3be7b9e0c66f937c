package huggingface

import "fmt"

// assign gives the added tokens the ids that the library gives them, which does not look
// at those in the file: a token that the model has keeps its id, the others get the next
// ones in turn. One without text is left out, and of two with one text the last counts.
// Where there is no vocabulary the file is but a part of one, whose ids stand.
func (f *File) assign() error {
	if len(f.Model.Vocab) == 0 {
		return nil
	}
	next := int32(f.Model.size())
	place := make(map[string]int, len(f.AddedTokens))
	var all []AddedToken
	for _, a := range f.AddedTokens {
		if a.Content == "" {
			continue
		}
		if len(a.Content) > longestAdded {
			return fmt.Errorf("added token %.40q… has %d bytes, more than %d", a.Content, len(a.Content), longestAdded)
		}
		if at, again := place[a.Content]; again {
			a.ID = all[at].ID
			a.Special = a.Special || all[at].Special
			all[at] = a
			continue
		}
		id, known := f.Model.Vocab[a.Content]
		if !known {
			id = next
			next++
		}
		a.ID = id
		place[a.Content] = len(all)
		all = append(all, a)
	}
	f.AddedTokens = all
	return nil
}

// longestAdded bounds the text of an added token, which is compared at every place of a
// text.
const longestAdded = 256
