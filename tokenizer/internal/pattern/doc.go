// Package pattern matches the regular expressions of tokenizer.json files, which need
// look-around and possessive quantifiers that Go's regexp lacks, as Oniguruma does for
// the tokenizers library: the first alternative that matches wins.
//
// Known are alternatives, groups ((…), (?:…), (?<name>…), (?>…)), the options i and m
// ((?i), (?i-m:…)), look-ahead and look-behind ((?=…), (?!…), (?<=…), (?<!…)), classes
// ([…], [^…], &&, [:alpha:]), \p{…} with general categories and scripts, \s \d \w \h \R
// \N \O, the escapes of characters, ., ^, $, \A, \z, \Z, \b, \B, and the quantifiers *,
// +, ?, {m,n} with their lazy and possessive forms. Anything else is an error that names
// it, and so is what Oniguruma reads in a way of its own, such as \xff for a byte.
//
// Expressions and texts come from strangers. The time of a pass over a text is bounded
// by the size of the expression times that of the text: once backtracking takes more
// steps than expressions in use ever do, every state that has failed is remembered and
// not tried again (memoised backtracking). [MaxSteps] and [MaxDepth] bound expressions.
package pattern
