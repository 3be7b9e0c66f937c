// Package architecture holds the packages to docs/architecture.md: its test reads
// the table of packages there and fails where one imports what stands below it,
// or what its row does not name.
package architecture
