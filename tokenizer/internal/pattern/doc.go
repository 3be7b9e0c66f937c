// Package pattern matches the regular expressions of tokenizer.json files,
// which need look-ahead and possessive quantifiers that Go's regexp lacks. It
// backtracks as Oniguruma does: the first alternative that matches wins.
//
// Known are alternatives, groups ((…), (?:…), (?i:…)), look-ahead ((?=…),
// (?!…)), classes ([…], [^…], &&), \p{…}, \s, \S, \d, \D, \w, \W, the escapes
// of control characters, ., ^, $, and the quantifiers *, +, ?, {m,n} with
// their lazy and possessive forms. Anything else is an error.
package pattern
