// Package dedup finds documents that say the same: exact copies by their
// hash, near copies by MinHash (Broder, "On the resemblance and containment of
// documents", 1997), and documents that share 13-grams of words with the items
// of a benchmark (Brown et al., "Language models are few-shot learners", 2020,
// appendix C).
//
// Hashes are fixed, so that the same documents in the same order give the same
// verdicts in every run.
package dedup
