package gguf

import (
	"errors"
	"fmt"
	"strings"

	"mobilellm/tokenizer"
)

const (
	keyModel    = "tokenizer.ggml.model"
	keyPre      = "tokenizer.ggml.pre"
	keyTokens   = "tokenizer.ggml.tokens"
	keyScores   = "tokenizer.ggml.scores"
	keyTypes    = "tokenizer.ggml.token_type"
	keyMerges   = "tokenizer.ggml.merges"
	keyAddSpace = "tokenizer.ggml.add_space_prefix"
	keyBlanks   = "tokenizer.ggml.remove_extra_whitespaces"
	keyCharsMap = "tokenizer.ggml.precompiled_charsmap"
	keyTemplate = "tokenizer.chat_template"

	// What llama.cpp has no key for, so that the way back is exact: the rest of a
	// tokenizer.json.
	keyDescription = "mobilellm.tokenizer.json"
)

// The values of keyModel that are known here.
const (
	modelPieces = "llama"
	modelBytes  = "gpt2"
)

// blank is how SentencePiece's pieces write U+0020.
const blank = "\u2581"

// tokenizerMetadata lists a vocabulary, padded to the model's with tokens that no
// text has, and says what llama.cpp does otherwise than the tokenizer.
func tokenizerMetadata(v *tokenizer.Vocabulary, size int) (list []keyValue, notes []string, err error) {
	if v == nil {
		return []keyValue{{keyModel, "no_vocab"}}, nil, nil
	}
	if v, err = v.Within(size); err != nil {
		return nil, nil, err
	}
	var words *pre
	switch v.Kind {
	case tokenizer.SentencePiece:
		if v.OddBlanks {
			return nil, nil, errors.New("the tokenizer's blanks stand behind words or are not written as U+2581, which llama.cpp knows nothing of")
		}
		list = append(list, keyValue{keyModel, modelPieces}, keyValue{keyPre, "default"})
	case tokenizer.ByteLevel:
		if words, err = preOf(v); err != nil {
			return nil, nil, err
		}
		list = append(list, keyValue{keyModel, modelBytes}, keyValue{keyPre, words.names[0]})
	default:
		panic(fmt.Sprintf("gguf: vocabulary of kind %d", v.Kind))
	}
	texts, scores, types := make([]string, size), make([]float32, size), make([]int32, size)
	for id := range size {
		if id < len(v.Tokens) {
			t := v.Tokens[id]
			texts[id], scores[id], types[id] = writtenText(v.Kind, t), t.Score, int32(t.Type)
		} else {
			texts[id], types[id] = fmt.Sprintf("[PAD%d]", id), int32(tokenizer.Unused)
		}
	}
	list = append(list, keyValue{keyTokens, texts}, keyValue{keyTypes, types})
	if v.Kind == tokenizer.SentencePiece {
		list = append(list, keyValue{keyScores, scores}, keyValue{keyAddSpace, v.AddPrefix}, keyValue{keyBlanks, v.RemoveExtraBlanks})
		if len(v.CharsMap) > 0 {
			list = append(list, keyValue{keyCharsMap, v.CharsMap})
		}
	} else {
		merges := make([]string, len(v.Merges))
		for i, m := range v.Merges {
			merges[i] = m[0] + " " + m[1]
		}
		list = append(list, keyValue{keyMerges, merges})
	}
	special, specialNotes := specialMetadata(v, size)
	list = append(list, special...)
	if v.ChatTemplate != "" {
		list = append(list, keyValue{keyTemplate, v.ChatTemplate})
	}
	if v.Description != nil {
		list = append(list, keyValue{keyDescription, string(v.Description)})
	}
	return list, append(notesOf(v, words), specialNotes...), nil
}

// writtenText is a token's text in the file: llama.cpp looks for user-defined tokens
// in the text before it writes blanks as SentencePiece does.
func writtenText(kind tokenizer.Kind, t tokenizer.Token) string {
	if kind == tokenizer.SentencePiece && t.Type == tokenizer.UserDefined {
		return strings.ReplaceAll(t.Text, blank, " ")
	}
	return t.Text
}

// readText undoes [writtenText].
func readText(kind tokenizer.Kind, text string, typ tokenizer.Type) string {
	if kind == tokenizer.SentencePiece && typ == tokenizer.UserDefined {
		return strings.ReplaceAll(text, " ", blank)
	}
	return text
}
