"""Golden files for the tokenizer tests. Run in this folder: python golden.py

merges.json  what BPE training on sample.txt must learn, by the plainest
             program there is: count all pairs anew for each merge.
ids.json     texts with the words and ids that Hugging Face tokenizers makes of
             them, for bpe/tokenizer.json and bytes/tokenizer.json as this
             package saves them (go test -run TestSavedFiles -update).
             The first must equal a tokenizer built here from merges.json.
"""

import collections
import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

VOCAB = 640
END = "<|endoftext|>"
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def alphabet():
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    out, n = {}, 256
    for b in range(256):
        out[b] = chr(b) if b in plain else chr(n)
        n += b not in plain
    return out


def learn(words):
    """words: a Counter of tuples of ids. Returns merges and tokens."""
    tokens = [bytes([b]) for b in range(256)]
    merges = []
    while len(tokens) < VOCAB - 1:
        pairs = collections.Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        best = min(pairs, key=lambda p: (-pairs[p], p))
        if pairs[best] < 2:
            break
        joined = tokens[best[0]] + tokens[best[1]]
        if joined not in tokens:
            tokens.append(joined)
        new = tokens.index(joined)
        if best not in merges:
            merges.append(best)
        after = collections.Counter()
        for word, n in words.items():
            out, i = [], 0
            while i < len(word):
                if word[i : i + 2] == best:
                    out.append(new)
                    i += 2
                else:
                    out.append(word[i])
                    i += 1
            after[tuple(out)] += n
        words = after
    return merges, tokens


def build(merges, tokens):
    letters = alphabet()
    write = ["".join(letters[b] for b in t) for t in tokens]
    vocab = {t: i for i, t in enumerate(write)}
    vocab[END] = len(write)
    t = Tokenizer(models.BPE(vocab=vocab, merges=[(write[a], write[b]) for a, b in merges]))
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    return t


def texts():
    r = random.Random(7)
    sample = open("sample.txt", encoding="utf-8", newline="").read()
    out = ["", "a", " ", "\n", sample, sample.replace("\n", "\r\n"), sample.upper(), sample[::-1]]
    out += [
        "I'll they'RE we've I'd it's isn't I'm 'Tis 'ſome x'LL ''s 's's",
        "1 12 123 1234 1234567 1.5 ½¾ ٣٤٥٦ Ⅷ ²³ 𐵀𐵁",
        "  two\n\n\n three   \n\t\tfour\t\r\n\r\nfive \u00a0six\u3000\u2028seven \u0085 ",
        "a" * 300 + "=" * 300 + " " * 300 + "漢字" * 100 + "the" * 50,
        f"one{END}two {END}{END} <|endoftext <|endoftext|",
        "".join(map(chr, range(0x250))),
        "e\u0301 👩‍👩‍👧‍👦 🇩🇪 \ufeff \u200b \u180e ﬁ ſ K \x00\x01\x7f\x1b[0m",
    ]
    parts = list("aE1'\t\n\r -=(.\u00a0é漢😀٣\x00") + ["  ", "\r\n", "'s", "'LL", "'ſ", "the", " of", "func", "123", END]
    for _ in range(300):
        out.append("".join(r.choice(parts) for _ in range(r.randint(1, 16))))
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for _ in range(150):
        top = r.choice([0x300, 0x3000, 0x10000, 0x20000, 0x110000])
        row = [chr(points[r.randrange(min(top, len(points)))]) for _ in range(r.randint(1, 12))]
        out.append("".join(c + r.choice(["", "", " ", "a", "\n"]) for c in row))
    return out


sample = open("sample.txt", encoding="utf-8", newline="").read()
words = collections.Counter()
for part, _ in pre_tokenizers.Split(Regex(PATTERN), "isolated").pre_tokenize_str(sample):
    words[tuple(part.encode())] += 1
merges, tokens = learn(words)
json.dump(merges, open("merges.json", "w"))

built = build(merges, tokens)
bpe = Tokenizer.from_file("bpe/tokenizer.json")
by_bytes = Tokenizer.from_file("bytes/tokenizer.json")
rows = []
for text in texts():
    ids = bpe.encode(text, add_special_tokens=False).ids
    assert ids == built.encode(text).ids, text
    assert bpe.encode(text).ids == [len(tokens), *ids], text
    assert bpe.decode(ids, skip_special_tokens=False) == text
    lengths = [] if END in text else [len(w) for w, _ in bpe.pre_tokenizer.pre_tokenize_str(text)]
    short = by_bytes.encode(text, add_special_tokens=False).ids if len(text) < 100 else None
    rows.append({"text": text, "words": lengths, "bpe": ids, "bytes": short})
with open("ids.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")
print(len(merges), "merges,", len(tokens) + 1, "ids,", len(rows), "texts")
