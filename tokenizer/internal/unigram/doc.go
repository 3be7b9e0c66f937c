// Package unigram cuts a text into the pieces whose probabilities have the greatest
// product, the way that Viterbi's algorithm finds.
//
// Kudo, "Subword regularization: improving neural network translation models with
// multiple subword candidates", 2018, section 3.2.
package unigram
