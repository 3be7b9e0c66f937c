#!/usr/bin/env bash
# Prints the path of a virtual environment that holds the given PyPI packages,
# made when it is first wanted. Its name is the hash of the list.
set -eu
root=${XDG_CACHE_HOME:-$HOME/.cache}/mobilellm/venv
venv=$root/$(printf '%s\n' "$@" | sort | sha256sum | cut -c1-16)
if [ ! -e "$venv/complete" ]; then
	rm -rf "$venv"
	mkdir -p "$root"
	python3 -m venv "$venv" >&2
	"$venv/bin/pip" install -q "$@" >&2
	touch "$venv/complete"
fi
echo "$venv"
