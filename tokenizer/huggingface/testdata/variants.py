"""Writes variants/: tokenizer.json files as people have them, each as a change to one of
huggingface/, and what the tokenizers library makes of many texts with it.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf
    python huggingface.py && python variants.py [COUNT SEED]

With COUNT it writes so many more texts into variants-more/, for fuzzing.
"""

import base64
import gzip
import io
import json
import pathlib
import random
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer

from huggingface import LANGUAGES, NORMALISED, corpus

here = pathlib.Path(__file__).parent
bases = {p.parent.name: json.loads(p.read_text()) for p in (here / "huggingface").glob("*/tokenizer.json")}


def stages(kind, *parts):
    key = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "decoder": "decoders"}[kind]
    return {kind: parts[0] if len(parts) == 1 else {"type": "Sequence", key: list(parts)}}


def normal(*parts):
    return stages("normalizer", *parts)


def cut(*parts):
    return stages("pre_tokenizer", *parts)


def decode(*parts):
    return stages("decoder", *parts)


def bare(name):
    return {"type": name}


def level(regex=False, prefix=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def split(pattern, behavior, invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def prepend(text):
    return {"type": "Prepend", "prepend": text}


def metaspace(scheme, parted=True, blank="\u2581"):
    return {"type": "Metaspace", "replacement": blank, "prepend_scheme": scheme, "split": parted}


def strip_end(start, stop):
    return {"type": "Strip", "content": " ", "start": start, "stop": stop}


def added(*tokens):
    """Added tokens by text; the capital letters behind it set flags."""
    flags = {"L": "lstrip", "R": "rstrip", "W": "single_word", "N": "normalized", "S": "special"}
    out = []
    for text, letters in tokens:
        token = {"id": 0, "content": text, **dict.fromkeys(flags.values(), False)}
        out.append({**token, **{flags[letter]: True for letter in letters}})
    return {"added_tokens": out}


def without(base, *dropped, **model):
    """A model without some tokens, those that hold one of the dropped characters, and the
    merges that need them; with more tokens, merges to join, and other options."""
    m = bases[base]["model"]
    special = {token["content"] for token in bases[base]["added_tokens"]}
    characters = {text for text in dropped if len(text) == 1}
    kept = {text for text in m["vocab"] if text in special or not (text in dropped or set(text) & characters)}
    merges = [pair for pair in m["merges"] if {*pair, "".join(pair)} <= kept]
    vocab = {text: i for i, text in enumerate(sorted(kept, key=m["vocab"].get))}
    for text in model.pop("more", ()):
        vocab.setdefault(text, len(vocab))
    return {"model": {**m, "vocab": vocab, "merges": merges + model.pop("join", []), **model}}


def trained(**options):
    """A Unigram of SentencePiece's, in the library's terms."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 3 + LANGUAGES), model_writer=out, model_type="unigram", num_threads=1, minloglevel=2, **options)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(out.getvalue())
    vocab = [[piece.piece, piece.score] for piece in model.pieces]
    return {"model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": options.get("byte_fallback", False)}}, rules(model)


def rules(model):
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()}


# Rules of one's own: a character, several, clusters, nothing for something.
RULES = "\u2122\tTM\nA\tb\ne\u0301\té\n\u00e9\te\n\u0301\t\n\u200d\t \n\u0600\tx\n\r\t \nfi\tﬁ\na\u0323\u0302\tq\n\u0915\t\u0916\n"


def own_rules():
    path = here / "rules.tsv"
    lines = [line.split("\t") for line in RULES.split("\n") if "\t" in line]
    path.write_text("".join(" ".join(f"{ord(c):x}" for c in a) + "\t" + " ".join(f"{ord(c):x}" for c in b) + "\n" for a, b in lines))
    try:
        return trained(vocab_size=400, normalization_rule_tsv=str(path))[1]
    finally:
        path.unlink()


# The rules nmt_nfkc are large: variants name them, and they lie in a model beside.
NFKC = "@sentencepiece/testdata/nfkc.model.gz"
nfkc_model = sentencepiece_model_pb2.ModelProto()
nfkc_model.ParseFromString(gzip.open(here.parent.parent / NFKC[1:]).read())
nfkc = {"type": "Precompiled", "precompiled_charsmap": NFKC}
unigram, _ = trained(vocab_size=400)
unigram_bytes, _ = trained(vocab_size=600, byte_fallback=True, character_coverage=0.98)
SPECIAL = (("<s>", "S"), ("</s>", "S"))

VARIANTS = {
    # As they are: special tokens as text, and any ids decoded.
    **{name: (name, {}) for name in ("gpt2", "llama3", "gpt4o", "digits", "nfc", "llama2-added", "metaspace-first")},
    # Model.
    "untyped": ("gpt2", {"model": {k: v for k, v in bases["gpt2"]["model"].items() if k != "type"} | {
        "merges": [" ".join(m) for m in bases["gpt2"]["model"]["merges"]], "unk_token": "", "continuing_subword_prefix": "", "end_of_word_suffix": ""}}),
    "incomplete": ("gpt2", without("gpt2", "Ã", "b", "Ċ", "ĵ", "1", "o")),
    "incomplete-gap": ("gpt2", without("gpt2", "e", more=["th.", "tĠ"], join=[["t", "Ġ"]])),
    "incomplete-unk": ("gpt2", without("gpt2", "Ã", "b", "Ċ", "o", unk_token="<|endoftext|>")),
    "incomplete-fuse": ("qwen", without("qwen", "Ã", "b", "Ċ", "o", unk_token="?", fuse_unk=True)),
    "incomplete-bytes": ("gpt2", without("gpt2", "Ã", "b", "Ċ", "o", more=["<0x62>", "<0xC3>", "<0x83>", "<0xC4>"], unk_token="?", fuse_unk=True, byte_fallback=True)),
    "incomplete-whole": ("llama3", without("llama3", "b", "z", more=["abc", "Ġb"], ignore_merges=True)),
    "bytes-partly": ("llama2", without("llama2", "<0xC3>", "<0xF0>", "<0x0A>", "é")),
    "bytes-partly-no-unk": ("llama2", without("llama2", "<0xC3>", "<0xF0>", "<0x0A>", unk_token=None)),
    "bytes-partly-no-fuse": ("metaspace-always", without("metaspace-always", "<0xC3>", "<0xE6>", "<0xF0>", fuse_unk=False)),
    "bytes-merged": ("llama2", without("llama2", "é", more=["<0xC3><0xA9>", "▁<0xF0>"], join=[["<0xC3>", "<0xA9>"], ["▁", "<0xF0>"]])),
    "characters": ("llama2", without("llama2", *[f"<0x{b:02X}>" for b in range(256)], byte_fallback=False) | cut(bare("Whitespace"))),
    "characters-vanish": ("llama2", without("llama2", *[f"<0x{b:02X}>" for b in range(256)], byte_fallback=False, unk_token=None) | cut(bare("WhitespaceSplit"))),
    "whole-pieces": ("llama2", without("llama2", ignore_merges=True, more=["▁quick▁brown", "▁a"])),
    "no-words": ("gpt2", {"pre_tokenizer": None} | normal(bare("ByteLevel"))),
    # Pre-tokenizers.
    **{f"split-{b.lower()}{'-inverted' if i else ''}": ("gpt2", cut(split(r"\s+|\d|x*", b, i), level()))
       for b in ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous") for i in (False, True)},
    "split-literal": ("gpt2", cut(split("ab", "MergedWithNext", kind="String"), split(" ", "MergedWithPrevious", kind="String"), level())),
    "split-nothing": ("gpt2", cut(split("", "Isolated", kind="String"), level())),
    "split-edges": ("gpt2", cut(split(r"(?=b)|\b(?=\w)|(?<=\d)(?=\d)|^", "Isolated"), level(True))),
    "falcon": ("gpt2", cut({"type": "Punctuation", "behavior": "Contiguous"}, level(True), {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]", "Isolated"))),
    "punctuation": ("gpt2", cut({"type": "Punctuation"}, {"type": "Digits", "individual_digits": False}, level(prefix=True))),
    "bert-words": ("gpt2", cut(bare("BertPreTokenizer"), level())),
    "delimiter": ("gpt2", cut({"type": "CharDelimiterSplit", "delimiter": "o"}, bare("Whitespace"), level(prefix=True))),
    "deepseek": ("gpt2", cut(split("[\r\n]", "Isolated"), split(r"\s?\p{L}+", "Isolated"), split(r"\s?\p{P}+", "Isolated"), split(r"[一-龥ࠀ-一가-퟿]+", "Isolated"), {"type": "Digits", "individual_digits": True}, level())),
    "metaspace-first-words": ("metaspace-first", cut(bare("WhitespaceSplit"), metaspace("first"))),
    "metaspace-bytes": ("gpt2", cut(metaspace("always", blank="_"), level())),
    # Normalizers.
    **{f"normal-{n.lower()}": ("gpt2", normal(bare(n)) | added(("caf\u00e9", "N"), ("A\u030a", ""), ("ABC", "NW"))) for n in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt")},
    "normal-strip": ("gpt2", normal({"type": "Strip", "strip_left": True, "strip_right": True}) | added(("<x>", ""), (" <n> ", "N"))),
    "normal-strip-left": ("metaspace-first", normal({"type": "Strip", "strip_left": True, "strip_right": False})),
    "normal-strip-right": ("metaspace-first", normal({"type": "Strip", "strip_left": False, "strip_right": True}, bare("Lowercase"))),
    "normal-accents": ("gpt2", normal(bare("NFD"), bare("StripAccents"), bare("Lowercase"), replace("ss", "ß"))),
    "normal-replace": ("gpt2", normal(replace("aa", "b"), replace(r"\s+", " ", "Regex"), replace("(a)(b)", "$2\\1", "Regex"), replace("a(?=b)", "", "Regex"), bare("NFC"))),
    "normal-replace-empty": ("llama2", normal(replace("x*", "-", "Regex"), replace("^", "\u2581", "Regex"), replace("$", "E", "Regex"), replace("a(?=b)", "", "Regex"), replace("", "e"))),
    "normal-replace-start": ("metaspace-first", normal(bare("NFC"), replace("^", "\u2581", "Regex"), prepend("q"), replace("", "-"))),
    "normal-prepend": ("metaspace-never", normal(prepend("ab "), replace(" ", "\u2581"), prepend("\u2581")) | added(("<n>", "N"), ("<x>", ""), ("b", "NW"), *SPECIAL)),
    "normal-first": ("metaspace-first", normal(replace("a", "\u2581b"), replace("th", "o"), replace("\u0301", ""), bare("NFC"))),
    # Added tokens.
    "added-flags": ("gpt2", added(("<l>", "L"), ("<r>", "R"), ("<lr>", "LR"), (" <q>", ""), ("ab", "W"), ("abc", ""), ("b", "WLR"), ("dog", "WS"), ("do", ""), ("<|endoftext|>", "S"), ("endof", ""), ("<", "L"), ("  ", ""))),
    "added-normalized": ("llama2", added(("<unk>", "S"), *SPECIAL, ("<n>", "N"), ("n o", "NL"), ("<x>", "R"), ("cab", "NW"), ("\u2581a", "N"), ("e", "NWS"))),
    "added-twice": ("gpt2", added(("zz", ""), ("", "S"), ("zz", "L"), ("the", "S"), ("q", "W"), ("new", "N"))),
    "added-words": ("gpt2", added(*((word, "W") for word in ("a", "\u00e9", "\u0301", "\u0663", "\u00b2", "_", "\u200d", "\u24b6", "日", "-", "\u0897", "\U00010940")))),
    # Decoders.
    "decode-none": ("gpt2", {"decoder": None}),
    "decode-metaspace": ("llama2", decode(metaspace("always"))),
    "decode-metaspace-never": ("llama2", decode(metaspace("never"))),
    "decode-gemma": ("llama2", normal(replace(" ", "\u2581")) | decode(replace("\u2581", " "), bare("ByteFallback"), bare("Fuse"))),
    "decode-bytes-first": ("llama2", decode(bare("ByteFallback"), replace("\u2581", " "), bare("Fuse"), strip_end(2, 0))),
    "decode-bytes-metaspace": ("llama2", decode(bare("ByteFallback"), metaspace("first"))),
    "decode-fused": ("llama2", decode(bare("ByteFallback"), bare("Fuse"), replace("\u2581", " "), strip_end(0, 0))),
    "decode-strip-each": ("llama2", decode(replace("\u2581", " "), replace(r"(?<=e)r|^t", "_", "Regex"), strip_end(1, 0), bare("ByteFallback"))),
    # Unigram.
    "unigram": ("llama2", unigram | normal(nfkc) | cut(metaspace("always")) | decode(metaspace("always"))),
    "unigram-plain": ("llama2", unigram | {"normalizer": None, "pre_tokenizer": None} | added(("<unk>", "S"), *SPECIAL, ("<m>", "L")) | decode(metaspace("never"))),
    "unigram-bytes": ("llama2", unigram_bytes | normal(nfkc, replace(" {2,}", "\u2581", "Regex")) | cut(metaspace("first"))),
    "unigram-whitespace": ("llama2", unigram | normal(own_rules(), {"type": "Strip", "strip_left": False, "strip_right": True}) | cut(bare("WhitespaceSplit"), metaspace("always"))),
    "rules": ("gpt2", normal(own_rules())),
    "rules-nfkc": ("gpt2", normal(nfkc)),
}

MORE = [
    "\u2122\u200d\u2122\u0301 A\u0301A e\u0301e\u0323\u0301 \u0600a \u0600\u00e9 a\r\nb\r \u00a9\u200d\u00a9 fi a\u0323\u0302 a\u0302\u0323 \u0915\u094d\u0915\u0301 \u0915\u093c",
    "\u1112\u1161\u11ab\u0301 \uac00\u11a8 \u0344 \u0958 \u2126 \ufdfa \u3300 \u32ff \U0001d160 \U0001f16c \U00010781 \u0897\u0301 \U000105d2\u0307 \ua7f2",
    "\u1df6\u0301 \u07fd\u093c a\u0300\u07fd\u0328\u0301 A\U0001f16c\u0328 \u1112\u1df6\u0591 === \n===== \u1ac0\u0323\u0301", "abcabc bcb aab xxab abxxb xa xxx", "  lead and trail \t\n", "\u2029\u2028\u180e\ufeffx\u200b", "İıIiSsßẞΣΑΣ ǅ ﬁK \ua7ce\u1c89", "  ab  abc dogs dog _dog do g<|endoftext|>endof < <<  <q> <r> <q>",
    "the new zz zzz q aqa thethe", "\u00e9 x\u00e9 \u0301 \u0663\u00b2 _ \u200d\u24b6 a日 日- \u0897 \U00010940\u0301", "<unk><s>x</s> <n> n o no<x>  y cab e \u2581a",
    "12345 1,234.5 ٣٤٥ \u2167\u00bd \u24b6", "a_b__ c_", "ooo too o", "你好世界がらす한국어 hello", "«quoted», (x+y)=$5 & 50% ^_^ `a` ~b¿¡\u2014\u2026",
    "e\u0301" * 40, "z" + "\u0301\u0323\u0315\u0316" * 12 + " after", "\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \u2764\ufe0f",
]


def texts(count, seed):
    yield from MORE
    yield from NORMALISED[:12]
    yield from LANGUAGES[::2]
    yield from ("", " ", "  ", "a", "\n")
    r = random.Random(seed)
    pool = list("aabcdeinostTx  \n\r\t.,'\"-012/s_") + list("éß日本👍½가İſ\u2581") + [
        "\u0301", "\u0323", "\u00a0", "\u3000", "\u200d", "<lr>", "<l>", "<r>", "<x>", "<n>", " <q>", "ab", "abc", "dog", "'LL", "<|endoftext|>", "<s>", "ABC", "cafe\u0301", "the ", "n o", "cab", "\u2122", "\u0600"]
    for _ in range(count):
        yield "".join(r.choice(pool) for _ in range(r.randrange(30)))
        yield "".join(chr(c) for c in (r.choice([r.randrange(0x250), r.randrange(0x300, 0x3000), r.randrange(0x11000), r.randrange(0x11000, 0x20000)])
                                       for _ in range(r.randrange(12))) if not 0xD800 <= c < 0xE000)


def rows(tokenizer, count, seed):
    r = random.Random(seed)
    for text in texts(count, seed):
        row = {"text": text}
        try:
            for key, ordinary in (("ids", False), ("ordinary", True)):
                tokenizer.encode_special_tokens = ordinary
                row[key] = tokenizer.encode(text, add_special_tokens=False).ids
        except BaseException as problem:  # its PanicException is no Exception
            if type(problem).__name__ != "PanicException":
                raise
            continue
        if row["ordinary"] == row["ids"]:
            del row["ordinary"]
        row["decoded"] = tokenizer.decode(row["ids"], skip_special_tokens=False)
        row["drawn"] = [r.randrange(tokenizer.get_vocab_size()) for _ in range(r.randrange(6))]
        row["drawn_text"] = tokenizer.decode(row["drawn"], skip_special_tokens=False)
        yield row


def write(folder, count, seed):
    folder.mkdir(exist_ok=True)
    for name, (base, change) in VARIANTS.items():
        whole = json.dumps({**bases[base], **change}).replace(NFKC, rules(nfkc_model)["precompiled_charsmap"])
        tokenizer = Tokenizer.from_str(whole)
        with gzip.GzipFile(folder / f"{name}.json.gz", "wb", mtime=0) as f:
            f.write(json.dumps({"base": base, "change": change, "rows": list(rows(tokenizer, count, seed))}, ensure_ascii=False).encode())


write(here / "variants", 6, 1)
if len(sys.argv) > 2:
    write(here / "variants-more", int(sys.argv[1]), int(sys.argv[2]))
