"""Check that our ids and texts are those of the tokenizers and sentencepiece
libraries, for every kind of tokenizer and many odd texts.

Each kind of tokenizer_kinds.py takes 2,000 texts: as ordinary text, with the texts
of special tokens read as those, and back. Prints a line for each check and
`N passed, N failed`; run it by run.sh.
"""

import argparse
import itertools
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zlib

import sentencepiece
from tokenizers import Tokenizer

import odd_texts
import tokenizer_kinds
from checks import Checks, Program

TEXTS = 2000
EXAMPLES = 3


class Tokenizers:
    """The tokenizers library with a folder's tokenizer.json."""

    def __init__(self, folder):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def ordinary(self, texts):
        self.tokenizer.encode_special_tokens = True
        return self.special(texts)

    def special(self, texts):
        ids = [e.ids for e in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        self.tokenizer.encode_special_tokens = False
        return ids

    def decode(self, lists):
        return [self.tokenizer.decode(ids, skip_special_tokens=False) for ids in lists]


class SentencePiece:
    """The sentencepiece library with a folder's tokenizer.model.

    It knows no special tokens in a text; what tools make of those with it is not
    compared.
    """

    special = None

    def __init__(self, folder):
        self.model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))

    def ordinary(self, texts):
        return self.model.encode(texts)

    def decode(self, lists):
        return self.model.decode(lists)


class SentencePieceAdded:
    """The same for what stands between a folder's added tokens, as transformers'
    legacy LlamaTokenizer has it. How blanks around them come back is not compared."""

    decode = None

    def __init__(self, folder):
        self.model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        config = json.loads((folder / "tokenizer_config.json").read_text())
        added = config["added_tokens_decoder"]
        named = {text for key, text in config.items() if key.endswith("_token")}
        self.tokens = {text: self.model.piece_to_id(text) for text in named} | {t["content"]: int(i) for i, t in added.items()}
        self.control = named | {t["content"] for t in added.values() if t["special"]}

    def ordinary(self, texts):
        return [self.ids(text, self.tokens.keys() - self.control) for text in texts]

    def special(self, texts):
        return [self.ids(text, self.tokens) for text in texts]

    def ids(self, text, tokens):
        parts = re.split("(" + "|".join(map(re.escape, tokens)) + ")", text)
        return [i for p in parts for i in ([self.tokens[p]] if p in tokens else self.model.encode(p))]


LIBRARIES = {"tokenizers": Tokenizers, "sentencepiece": SentencePiece, "sentencepiece, added tokens": SentencePieceAdded}


class Refused(Exception):
    pass


def ours(program, command, folder, lines, *flags):
    """What mobilellm-data makes of values, one a line of JSON."""
    args = [program.binaries / "mobilellm-data", command, "--json-lines", "--tokenizer", folder, *flags]
    r = subprocess.run(list(map(str, args)), input="".join(json.dumps(v) + "\n" for v in lines), capture_output=True, text=True)
    if r.returncode:
        raise Refused(r.stderr.strip().replace(str(folder), "FOLDER"))
    return [json.loads(line) for line in r.stdout.split("\n")[:-1]]


def one_mark(text):
    """Broken UTF-8 is U+FFFD for both, of which there may be more or less."""
    return re.sub("\ufffd+", "\ufffd", text)


def compare(c, kind, what, given, ours, theirs):
    wrong = [(g, o, t) for g, o, t in itertools.zip_longest(given, ours, theirs) if o != t]
    c.check(kind.name, kind.library, what, not wrong, f"{len(wrong)} of {len(given)} differ" if wrong else f"{len(given)} texts")
    for g, o, t in sorted(wrong, key=lambda w: len(str(w[0])))[:EXAMPLES]:
        print(f"       {json.dumps(g)}: ours {json.dumps(o)}, theirs {json.dumps(t)}")


def check_kind(c, program, kind, folder, count, seed):
    kind.make(folder, program)
    texts = odd_texts.texts(count, seed + zlib.crc32(kind.name.encode()), kind.special)
    library = LIBRARIES[kind.library](folder)
    try:
        ordinary = library.ordinary(texts)
        compare(c, kind, "ids of ordinary text", texts, ours(program, "encode", folder, texts), ordinary)
        lists = ordinary
        if library.special:
            lists = library.special(texts)
            compare(c, kind, "ids with special tokens", texts, ours(program, "encode", folder, texts, "--parse-special"), lists)
        if library.decode:
            decoded = ours(program, "decode", folder, lists)
            compare(c, kind, "texts of ids", lists, list(map(one_mark, decoded)), list(map(one_mark, library.decode(lists))))
    except Refused as e:
        c.check(kind.name, kind.library, "reads it", False, f"refused: {e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of our commands")
    parser.add_argument("--case", action="append", help="only these kinds")
    parser.add_argument("--texts", type=int, default=TEXTS, help="for each kind")
    parser.add_argument("--seed", type=int, default=1, help="of the texts")
    args, _ = parser.parse_known_args()  # run.sh gives interop.py's too
    c, program = Checks(), Program(args.bin.resolve())
    for kind in tokenizer_kinds.KINDS:
        if args.case and kind.name not in args.case:
            continue
        with tempfile.TemporaryDirectory(prefix="mobilellm-tokenizer-") as folder:
            try:
                check_kind(c, program, kind, pathlib.Path(folder), args.texts, args.seed)
            except Exception as e:  # a broken kind must not hide the others
                c.check(kind.name, kind.library, type(e).__name__, False, str(e)[-600:])
    print(f"{c.passed} passed, {c.failed} failed")
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(main())
