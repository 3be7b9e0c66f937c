"""Writes characters.json: hashes of what the tokenizers library's normalizers make of
every character, by itself and among marks.

    pip install tokenizers==0.23.3
    python characters.py
"""

import hashlib
import json
import pathlib

from tokenizers import normalizers

# Large blocks of characters that are all alike, and surrogates.
ALIKE = (("\u3400", "\u9fff"), ("\ub000", "\uf8ff"), ("\U00017000", "\U00018cff"), ("\U00020000", "\U0002f7ff"))

hashes = {}
for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "Strip"):
    form = getattr(normalizers, name)()
    h = hashlib.sha256()
    for c in map(chr, range(0x30000)):
        if not any(first <= c <= last for first, last in ALIKE):
            for text in (c, "A" + c, f"a\u0334\u0345{c}\u0301\u0327{c}"):
                h.update(form.normalize_str(text).encode() + b"\n")
    hashes[name] = h.hexdigest()
(pathlib.Path(__file__).parent / "characters.json").write_text(json.dumps(hashes, indent=1) + "\n")
