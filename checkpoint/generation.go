package checkpoint

import "encoding/json"

// generationConfig returns generation_config.json: the tokens at which other
// tools begin and end a text.
func generationConfig(m Meta) []byte {
	raw, err := json.MarshalIndent(struct {
		BOS *int `json:"bos_token_id,omitempty"`
		EOS *int `json:"eos_token_id,omitempty"`
	}{tokenID(m.BOS), tokenID(m.EOS)}, "", "  ")
	if err != nil {
		panic("checkpoint: generation config: " + err.Error())
	}
	return append(raw, '\n')
}
