// Package reliability holds tests of the commands as processes: killed, run twice at
// once, given damaged and hostile files, asked by many clients. make test-long runs them
// and prints a table of their figures; go test leaves them out.
package reliability
