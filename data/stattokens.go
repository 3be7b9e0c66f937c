package data

import "mobilellm/data/shard"

// StatTokens counts the tokens of a source and the bytes of their text by the headers
// of its token shards. It is false of other sources, and of what cannot be read.
func StatTokens(path string) (tokens, text int64, ok bool) {
	source, err := findOldSource(Source{Path: path}) // whether the folder is whole is told when it is read
	if err != nil || len(source.shards) == 0 {
		return 0, 0, false
	}
	for _, path := range source.shards {
		info, err := shard.Stat(path)
		if err != nil {
			return 0, 0, false
		}
		tokens, text = tokens+info.Tokens, text+info.TextBytes
	}
	return tokens, text, true
}

// Shares is each source's part of the first tokens of training, nil where the text is
// read as one.
func (c Config) Shares(tokens int64) []float64 {
	if !c.mixes() || tokens <= 0 {
		return nil
	}
	shares := make([]float64, len(c.Train))
	stages := c.mixture().stages
	for i, stage := range stages {
		end := tokens
		if i+1 < len(stages) {
			end = min(end, stages[i+1].AfterTokens)
		}
		sum := 0.0
		for _, w := range stage.Weights {
			sum += w
		}
		for j, w := range stage.Weights {
			shares[j] += w / sum * float64(max(0, end-stage.AfterTokens)) / float64(tokens)
		}
	}
	return shares
}
