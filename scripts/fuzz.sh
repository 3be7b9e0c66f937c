#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (60s), JOBS of them at a time (one a
# processor) with one worker each, and fails if one finds something. TARGETS, a
# regular expression, chooses some. Go may report the end of the time itself as a
# failure ("context deadline exceeded"): without a failing input that is none.
set -eu
if [ "${1:-}" = one ]; then
	folder=$2 target=$3
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	if go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 10x -parallel 1 "$folder" >"$log" 2>&1; then
		echo "$folder $target: $(tail -1 "$log")"
	elif grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
		echo "$folder $target: ok, stopped at its time"
	else
		printf '%s %s\n%s\n' "$folder" "$target" "$(cat "$log")"
		exit 1
	fi
	exit
fi
grep -r --include='*_test.go' '^func Fuzz' . |
	sed -n 's/^\(.*\)\/[^/]*:func \(Fuzz[A-Za-z0-9_]*\).*/\1 \2/p' | sort | grep -E -e "${TARGETS:-.}" |
	xargs -n 2 -P "${JOBS:-$(nproc)}" "$0" one
