// Package killed trains runs that are killed at random moments and gone on with each time,
// for tests.
package killed
