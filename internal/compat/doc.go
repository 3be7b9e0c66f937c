// Package compat holds the program to what its earlier versions wrote: the tests
// open runs, token shards, a teacher's files and exports in testdata, a folder for
// the commit that made them, go on with the runs, and compare with what that commit
// came to.
package compat
