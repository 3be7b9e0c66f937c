package dedup

import "crypto/sha256"

// Sum is a document's hash: half a SHA-256.
type Sum [16]byte

// SumOf hashes a document.
func SumOf(text []byte) Sum {
	full := sha256.Sum256(text)
	return Sum(full[:16])
}

// Exact remembers documents by their hashes.
type Exact map[Sum]struct{}

// Seen says whether a document was seen before, and remembers it.
func (e Exact) Seen(sum Sum) bool {
	_, seen := e[sum]
	e[sum] = struct{}{}
	return seen
}
