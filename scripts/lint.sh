#!/usr/bin/env bash
# Format, vet, staticcheck, and whether it compiles for other systems: for macOS on ARM, or
# those that PLATFORMS names, as in "linux/arm64 darwin/arm64 windows/amd64".
set -eu
unformatted=$(git ls-files "*.go" | xargs grep -L "^// Code generated" | xargs go run mvdan.cc/gofumpt@v0.9.2 -l)
if [ -n "$unformatted" ]; then
	printf 'gofumpt would change:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
GOEXPERIMENT= go vet ./...
go run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./...
for target in ${PLATFORMS:-darwin/arm64}; do # -export compiles without linking
	CGO_ENABLED=0 GOEXPERIMENT= GOOS=${target%/*} GOARCH=${target#*/} go list -export ./... >/dev/null
done
