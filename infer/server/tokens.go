package server

import (
	"net/http"
	"strings"
)

// piece is the text of a token within a text.
func (s *Server) piece(id int32) string {
	one, two := s.m.Tokenizer.Decode([]int32{id}), s.m.Tokenizer.Decode([]int32{id, id})
	return strings.ToValidUTF8(string(two[len(one):]), "\uFFFD")
}

// tokenize is llama-server's, and with prompt in content's place vLLM's, which
// lm-evaluation-harness calls.
func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) error {
	var rq struct {
		Content          *string `json:"content"`
		AddSpecial       bool    `json:"add_special"`
		ParseSpecial     *bool   `json:"parse_special"`
		WithPieces       bool    `json:"with_pieces"`
		Prompt           *string `json:"prompt"`
		AddSpecialTokens *bool   `json:"add_special_tokens"`
	}
	if err := read(r, &rq); err != nil {
		return err
	}
	if rq.Content == nil {
		rq.Content, rq.AddSpecial = rq.Prompt, rq.AddSpecialTokens == nil || *rq.AddSpecialTokens
	}
	if rq.Content == nil {
		return invalid("content", "content is missing")
	}
	ids := []int32{}
	if rq.AddSpecial {
		ids = append(ids, s.m.Tokenizer.Opening()...)
	}
	if rq.ParseSpecial == nil || *rq.ParseSpecial {
		ids = append(ids, s.m.Tokenizer.Encode([]byte(*rq.Content))...)
	} else {
		ids = append(ids, s.m.Tokenizer.EncodeOrdinary([]byte(*rq.Content))...)
	}
	if !rq.WithPieces {
		return reply(w, map[string]any{"tokens": ids})
	}
	type pieceOf struct {
		ID    int32  `json:"id"`
		Piece string `json:"piece"`
	}
	list := []pieceOf{}
	for _, id := range ids {
		list = append(list, pieceOf{id, s.piece(id)})
	}
	return reply(w, map[string]any{"tokens": list})
}

// detokenize answers by llama-server's name and by vLLM's.
func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) error {
	var rq struct {
		Tokens []int32 `json:"tokens"`
	}
	if err := read(r, &rq); err != nil {
		return err
	}
	for at, id := range rq.Tokens {
		if id < 0 || int(id) >= s.m.Config.VocabSize {
			return invalid("tokens", "token %d is %d, the vocabulary has %d", at, id, s.m.Config.VocabSize)
		}
	}
	text := strings.ToValidUTF8(string(s.m.Tokenizer.Decode(rq.Tokens)), "\uFFFD")
	return reply(w, map[string]string{"content": text, "prompt": text})
}

func (s *Server) tokenizerInfo(w http.ResponseWriter, _ *http.Request) error {
	tok := s.m.Tokenizer
	bos, eos := tok.TemplateTokens()
	template, _ := tok.ChatTemplate()
	return reply(w, map[string]any{
		"vocab_size": s.m.Config.VocabSize, "context": s.m.Context(), "bos_token": bos, "eos_token": eos,
		"opening": append([]int32{}, tok.Opening()...), "chat_template": template,
	})
}
