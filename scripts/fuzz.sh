#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME, one after another, and fails at the first
# that finds something. Go may report the end of the time itself as a failure
# ("context deadline exceeded"): without a failing input
# that is none.
set -eu
time=${FUZZTIME:-60s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
	folder=$(dirname "$file")
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file" | while read -r target; do
		echo "$folder $target"
		if go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$folder" >"$log" 2>&1; then
			tail -1 "$log"
		elif grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
			echo "ok  	$folder	stopped at its time"
		else
			cat "$log"
			exit 1
		fi
	done
done
