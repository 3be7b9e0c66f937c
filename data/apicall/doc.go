// Package apicall has the text of API calls, as the paper's appendix H.5 shows it, and of
// the turns that they are part of:
//
//	{"role": "PARSER", "message": "news(query = \"aliens\", source = None)"}
//	{"role": "AGENT", "message": "NASA has announced …"}
//
// The paper prints the quotes of a call without the escapes that JSON needs; here a turn
// is JSON that any reader takes.
//
// A [Call] is what is compared: API and arguments, whatever their order and the blanks
// between them. An [API] is what may be called, with a JSON schema of its parameters.
package apicall
