#!/usr/bin/env bash
# Format, vet and staticcheck.
set -eu
unformatted=$(git ls-files "*.go" | xargs grep -L "^// Code generated" | xargs go run mvdan.cc/gofumpt@v0.9.2 -l)
if [ -n "$unformatted" ]; then
	printf 'gofumpt would change:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
GOEXPERIMENT= go vet ./...
go run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./...
