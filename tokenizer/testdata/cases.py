"""Writes ids.json into each folder of cases/: what the tokenizers library makes of texts
with its tokenizer.json.

    pip install tokenizers==0.23.3
    python cases.py
"""

import json
import pathlib

from tokenizers import Tokenizer

here = pathlib.Path(__file__).parent
TEXTS = [
    "<|im_start|>user\nthe quick fox<|im_end|>\n", "<|endoftext|>The end.<|endoftext|>", "", " ", "Hello, world! 123", "  two  blanks ", "don't WON'T",
    "日本語 é ß Ünïcödé", "🙂👍🏽", "\x00\x01\x7f\xad", "a\tb\r\nc\n\n", "<s>x</s> <unk>", "<0x41>▁", "x" * 40, "func main() {\n\tfmt.Println(1)\n}\n", "\U00040000\U000fffff \u05d0",
]
for folder in (here / "cases").iterdir():
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = []
    for text in TEXTS:
        row = {"text": text}
        for key, ordinary in (("ids", False), ("ordinary", True)):
            tokenizer.encode_special_tokens = ordinary
            row[key] = tokenizer.encode(text, add_special_tokens=False).ids
        row["decoded"] = tokenizer.decode(row["ids"], skip_special_tokens=False)
        rows.append(row)
    (folder / "ids.json").write_text(json.dumps(rows, ensure_ascii=False) + "\n")
