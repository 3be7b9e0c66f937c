package checkpoint

import "encoding/json"

// generationConfig returns generation_config.json: the tokens at which other
// tools begin and end a text.
func generationConfig(m Meta) []byte {
	raw, err := json.MarshalIndent(struct {
		BOS *int32 `json:"bos_token_id,omitempty"`
		EOS any    `json:"eos_token_id,omitempty"` // an id or several
		PAD *int32 `json:"pad_token_id,omitempty"`
	}{tokenID(m.Tokens.BOS), tokenIDs(m.Tokens.EOS), tokenID(m.Tokens.PAD)}, "", "  ")
	if err != nil {
		panic("checkpoint: generation config: " + err.Error())
	}
	return append(raw, '\n')
}
