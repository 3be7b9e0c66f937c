"""Writes the tokenizer.json files of huggingface/ and, beside each, what the
tokenizers library makes of many texts with it.

    pip install tokenizers==0.23.3
    python huggingface.py [COUNT SEED]

With COUNT it writes so many more texts into huggingface-more/, for fuzzing.
"""

import gzip
import json
import pathlib
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = pathlib.Path(__file__).parent
corpus = (here.parent.parent / "bpe" / "testdata" / "sample.txt").read_text().splitlines()
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA3.replace("{1,3}", "")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
POSSESSIVE = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"


def level(**options):
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False, "use_regex": False, **options})


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), level()])


def tokenizer(pre, special=("<|endoftext|>",), added=(), ignore_merges=False):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=list(special), show_progress=False)
    t.train_from_iterator(corpus, trainer)
    if ignore_merges:
        j = json.loads(t.to_str())
        j["model"]["ignore_merges"] = True
        j["model"]["merges"] = j["model"]["merges"][::2]
        vocab = set(j["model"]["vocab"])
        j["model"]["merges"] = [m for m in j["model"]["merges"] if m[0] + m[1] in vocab]
        t = Tokenizer.from_str(json.dumps(j))
    t.add_tokens(list(added))
    return t


def pieces(normalizer, pre, strip=1, learn=None, added=()):
    """As Hugging Face writes SentencePiece's BPE: characters, bytes for the others."""
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    t = Tokenizer(models.BPE())
    t.normalizer, t.pre_tokenizer = normalizers.Replace(" ", "▁"), learn
    trainer = trainers.BpeTrainer(vocab_size=800, special_tokens=special, limit_alphabet=60, show_progress=False)
    t.train_from_iterator(corpus, trainer)
    j = json.loads(t.to_str())
    j["added_tokens"] = j["added_tokens"][:3]
    j["model"].update(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    t = Tokenizer.from_str(json.dumps(j))
    t.normalizer = normalizer
    if pre is not None:
        t.pre_tokenizer = pre
    else:
        t = Tokenizer.from_str(json.dumps({**json.loads(t.to_str()), "pre_tokenizer": None}))
    end = [decoders.Strip(" ", 1, 0)] if strip else []
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *end])
    t.add_tokens(list(added))
    return t


def metaspace(scheme, split):
    return pre_tokenizers.Metaspace("▁", prepend_scheme=scheme, split=split)


LLAMA2 = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
MIXED = [AddedToken("<n>", normalized=True), AddedToken("cab", normalized=True, single_word=True), AddedToken("<lr>", lstrip=True, rstrip=True, normalized=False), AddedToken("n o", normalized=True)]

TOKENIZERS = {
    "gpt2": tokenizer(level(use_regex=True)),
    "prefix": tokenizer(level(use_regex=True, add_prefix_space=True), added=[AddedToken("<a b>"), AddedToken("dog", single_word=True)]),
    "llama3": tokenizer(split(LLAMA3), ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], ignore_merges=True),
    "qwen": tokenizer(split(QWEN), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]),
    "gpt4o": tokenizer(split(GPT4O)),
    "possessive": tokenizer(split(POSSESSIVE)),
    "digits": tokenizer(
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level(use_regex=True)]),
        ["<s>", "</s>"],
        [AddedToken("<l>", lstrip=True), AddedToken("<r>", rstrip=True), AddedToken("<lr>", lstrip=True, rstrip=True, normalized=False), AddedToken("ab"), AddedToken("abc")],
    ),
}
WITH_NORMALIZER = {
    "nfc": tokenizer(split(QWEN), ["<|endoftext|>"], [AddedToken("caf\u00e9", normalized=True), AddedToken("e\u0301<", normalized=False), AddedToken("o\u0308k", normalized=True)]),
    "llama2": pieces(LLAMA2, None, learn=metaspace("never", True)),
    "llama2-added": pieces(LLAMA2, None, learn=metaspace("never", False), added=MIXED),
    "metaspace-first": pieces(None, metaspace("first", False), learn=metaspace("never", True), added=MIXED),
    "metaspace-always": pieces(normalizers.NFC(), metaspace("always", True), learn=metaspace("never", False), added=MIXED),
    "metaspace-never": pieces(normalizers.Replace(" ", "▁"), metaspace("never", True), strip=0),
}
WITH_NORMALIZER["nfc"].normalizer = normalizers.NFC()
TOKENIZERS["llama3"].post_processor = processors.ByteLevel(trim_offsets=False)

LANGUAGES = [
    "Hello world, how are you? I'm fine; we'll SEE'D", "Привет, как дела?", "你好，世界。今天天气怎么样？", "こんにちは世界、元気ですか",
    "안녕하세요 세계", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก", "Γειά σου Κόσμε",
    "Xin chào thế giới", "Cześć świecie, zażółć gęślą jaźń", "Merhaba dünya İıŞşĞğ", "Olá mundo, ação",
    "Grüße, Straße, ÄÖÜß", "বাংলা ভাষা", "தமிழ் மொழி", "ქართული ენა", "Հայերեն լեզու", "አማርኛ", "Íslenska þæð",
    "ﬁ ﬀ ½ ① ㍿ Ａｂｃ １２３ ｶﾞ", "e\u0301 é n\u0303 ñ", "🙂👨‍👩‍👧‍👦🇫🇷👍🏽",
    "\x00\x01\x02\x1f\x7f\u0085\u200b\u200d\ufeff\u00a0\u3000\u2028", "a\n\nb  \n c\r\n\r\nd \t e", "12 1234567 ٣٤٥ ²³",
    "x<|endoftext|>y <s> </s> <|im_start|>user", "a <l> b <r> c <lr> d  <lr>  e abcd abab", "<a b><a  b> dog dogs hotdog (dog) dog_",
]


# What normalisation is about: composed and not, marks out of order, many of them,
# excluded compositions, Hangul; and blanks, which the others replace.
NORMALISED = [
    "caf\u00e9 cafe\u0301 e\u0301< o\u0308k \u00f6k", "a\u0323\u0307 a\u0307\u0323 \u1e69 s\u0323\u0307 s\u0307\u0323", "\u0344 \u0958 \u2126 \u212b \ufb1f \u1112\u1161\u11ab \ud55c \uac00\u11a8",
    "z" + "\u0301\u0323\u0315" * 13 + " after", "q" + "\u0301" * 64 + "\u0328x\u0301", "\u0301 alone \u0301\u0300", "\u0300" * 31,
    " a", "  a  b ", "\u2581a \u2581 b", "a\u2581b", "\n a", "</s>", "</s>a </s> b", "<s> a<s>", "<n>a <n> b<n>", "cab cab, cabs x-cab", "n o no n  o", "\t\ttab", "🙂 🙂", "a<lr> b",
    "<0x41> A", "▁", "▁▁▁", "a " * 50, "the quick brown fox " * 5,
]


def texts(count, seed, more=()):
    yield from more
    r = random.Random(seed)
    pool = list("aabcdeinostT  \n\r\t.,'\"-012/s") + list("éß日本👍½가İſ") + ["\u0301", "\u00a0", "\u3000", "<lr>", "<l>", "<r>", "ab", "dog", "'LL", "<|endoftext|>"]
    yield from LANGUAGES
    yield from (" " * n for n in range(4))
    yield from (t * 9 for t in LANGUAGES[:4])
    for _ in range(count):
        yield "".join(r.choice(pool) for _ in range(r.randrange(30)))
        yield "".join(chr(c) for c in (r.choice([r.randrange(0x250), r.randrange(0x3000), r.randrange(0x11000), r.randrange(0x1F300, 0x1FA00)])
                                       for _ in range(r.randrange(12))) if not 0xD800 <= c < 0xE000)


def write(folder, count, seed):
    folder.mkdir(exist_ok=True)
    for name, t in {**TOKENIZERS, **WITH_NORMALIZER}.items():
        file = folder / name / "tokenizer.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(t.to_str())
        rows = [{"text": s, "ids": t.encode(s, add_special_tokens=False).ids} for s in texts(count, seed, NORMALISED if name in WITH_NORMALIZER else ())]
        for row in rows:
            row["decoded"] = t.decode(row["ids"], skip_special_tokens=False)
        with gzip.GzipFile(file.parent / "golden.json.gz", "wb", mtime=0) as f:
            f.write(json.dumps(rows, ensure_ascii=False).encode())


if __name__ == "__main__":
    write(here / "huggingface", 60, 1)
    if len(sys.argv) > 2:
        write(here / "huggingface-more", int(sys.argv[1]), int(sys.argv[2]))
