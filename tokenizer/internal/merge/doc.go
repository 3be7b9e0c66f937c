// Package merge learns byte-pair rules and applies them to a word: the pair of neighbours
// whose rule has the lowest rank becomes one symbol, of equal ranks the
// leftmost, until no neighbours have a rule.
//
// Sennrich, Haddow, Birch, "Neural machine translation of rare words with
// subword units", 2016, section 3.2.
package merge
