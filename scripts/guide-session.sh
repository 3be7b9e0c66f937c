#!/usr/bin/env bash
# Runs the commands of docs/guide.md in a fresh clone, on a terminal of 80 columns, and
# writes what it showed to docs/guide-session.txt. Needs util-linux's script.
set -eu
cd "$(dirname "$0")/.."
MOBILELLM_GUIDE_SESSION=1 go test -count 1 -timeout 1h -run 'TestRunGuide' ./internal/documents
go test -count 1 -run 'TestGuideSession' ./internal/documents
