#!/usr/bin/env bash
# Installs what building and training fast want beside Go: a C compiler and
# oneDNN. Where they cannot be installed it says so and succeeds: the program
# builds and runs without them, slower.
set -u
missing=()
command -v cc >/dev/null || command -v gcc >/dev/null || missing+=(gcc libc6-dev)
ldconfig -p 2>/dev/null | grep -qE 'libdnnl\.so\.(2|3)' || missing+=(libdnnl2)
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
	echo "note: install ${missing[*]} (or their like) for full speed" >&2
	exit 0
fi
run=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null && run=(sudo -n)
fi
echo "installing ${missing[*]}" >&2
if ! { "${run[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1; then
	echo "note: could not install ${missing[*]}; training will be slower without" >&2
fi
