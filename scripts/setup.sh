#!/usr/bin/env bash
# Installs what a fresh Debian machine lacks beside Go: a C compiler and oneDNN
# for full speed and, with the argument "interop", what building llama.cpp wants and
# a browser for the server's page.
# Where they cannot be installed it says so and succeeds: the program builds and
# runs without them, slower.
set -u
missing=() browser=()
command -v cc >/dev/null || command -v gcc >/dev/null || missing+=(gcc libc6-dev)
ldconfig -p 2>/dev/null | grep -qE 'libdnnl\.so\.(2|3)' || missing+=(libdnnl2)
if [ "${1:-}" = interop ]; then
	command -v c++ >/dev/null || missing+=(g++)
	command -v cmake >/dev/null || missing+=(cmake)
	python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
	command -v curl >/dev/null || missing+=(curl)
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || browser=(chromium)
fi
[ $((${#missing[@]} + ${#browser[@]})) -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
	echo "note: install ${missing[*]} ${browser[*]} (or their like)" >&2
	exit 0
fi
run=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null && run=(sudo -n)
fi
install() {
	[ $# -eq 0 ] || "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}
echo "installing ${missing[*]} ${browser[*]}" >&2
"${run[@]}" apt-get update -qq >/dev/null 2>&1
install "${missing[@]}" || echo "note: could not install ${missing[*]}; training is slower without a compiler and oneDNN" >&2
install "${browser[@]}" || echo "note: could not install ${browser[*]}; the server's page is not tested without" >&2
