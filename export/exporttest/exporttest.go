// Package exporttest makes small models for the tests of the formats.
package exporttest

import (
	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/modeltest"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/export"
	"mobilellm/tokenizer"
)

// Config is [modeltest.Config].
func Config() arch.Config { return modeltest.Config() }

// Vocabulary is [modeltest.Vocabulary].
func Vocabulary() *tokenizer.Vocabulary { return modeltest.Vocabulary() }

// Model fills a model with numbers that depend on the seed alone.
func Model(c arch.Config, seed uint64) *export.Model {
	m := &export.Model{
		Config: c.Resolved(), Meta: checkpoint.Meta{Tokens: modeltest.Tokens(), DType: safetensors.F32},
		Weights: modeltest.Weights(c, seed),
	}
	m.SetVocabulary(Vocabulary())
	return m
}
