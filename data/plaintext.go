package data

// PlainText says whether every run on c would read and encode all of the text
// itself, so that runs on the same text can share what one of them made of it. It
// is false where a source is tokens already, for conversations, and for a mixture of
// weighted sources.
func (c Config) PlainText() (bool, error) {
	sources, err := findTokens(c)
	return err == nil && !sources.any() && !c.mixes() && !c.Converses(), err
}
