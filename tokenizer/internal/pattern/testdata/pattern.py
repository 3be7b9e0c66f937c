"""Writes golden.json.gz: random expressions, and what the tokenizers library's
regular expressions find with them in random texts.

    pip install tokenizers==0.23.3
    python pattern.py [COUNT SEED]

With COUNT it writes so many more into more.json.gz, which is not kept.
"""

import gzip
import json
import pathlib
import random
import sys

from tokenizers import Regex, normalizers, pre_tokenizers

here = pathlib.Path(__file__).parent

SETS = [
    ".", r"\s", r"\S", r"\w", r"\W", r"\d", r"\p{L}", r"\P{L}", r"\p{^L}", r"\p{Lu}", r"\p{Ll}", r"\p{N}", r"\p{M}", r"\p{P}", r"\p{S}",
    r"\p{Han}", r"\p{Greek}", r"\p{Alpha}", r"\p{Word}", r"\p{Punct}", r"\h", r"\N", r"\O", r"\R", "[ab]", "[^ab]", "[a-c1]", r"[^\s\p{L}]",
    r"[\w'-]", "[[:alpha:]]", "[[:^punct:]b]", "[[:upper:]]", r"[a-z&&[^b]]", r"[\d\s]", "[^\r\n]", "[]a]", "[a[bB]]", r"\n", " ", "é", "²", r"\x41", "\u0301",
]
PLACES = ["^", "$", r"\A", r"\z", r"\Z", r"\b", r"\B"]
QUANTIFIERS = ["*", "+", "?", "*?", "+?", "??", "*+", "++", "?+"]
COUNTS = ["{2}", "{1,2}", "{,2}", "{2,}", "{1,2}?", "{2}?", "{1,2}+", "{2,}?"]


def part(r, depth, behind=False):
    kind = r.random()
    if depth <= 0 or kind < 0.55:
        return r.choice("abBc1") if r.random() < 0.6 else r.choice(SETS)
    if kind < 0.62:
        return r.choice(PLACES[:5] if behind else PLACES)
    inner = expression(r, depth - 1, behind)
    if behind or kind < 0.8:
        return r.choice(["(?:", "(?:", "(", "(?i:", "(?m:"] if not behind else ["(?:"]) + inner + ")"
    if kind < 0.86:
        return "(?>" + inner + ")"
    if kind < 0.93:
        return r.choice(["(?=", "(?!"]) + inner + ")"
    return r.choice(["(?<=", "(?<!"]) + expression(r, 1, True) + ")"


def expression(r, depth, behind=False):
    branches = []
    for _ in range(r.choice([1, 1, 2, 3])):
        branch = ""
        for _ in range(r.choice([0, 1, 1, 2, 2, 3])):
            p = part(r, depth, behind)
            if r.random() < 0.4 and p not in PLACES and not p.startswith(("(?=", "(?!", "(?<")):
                # What a count of a part that may be empty means depends on the part's size.
                simple = QUANTIFIERS[:3] if behind else QUANTIFIERS
                p += r.choice(simple if p.startswith("(") else simple + COUNTS)
            branch += p
        branches.append(branch)
    option = r.choice(["(?i)", "(?m)", "(?im-i)"]) if not behind and r.random() < 0.03 else ""
    return option + "|".join(branches)


USED = [
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"\p{N}{1,3}|[一-龥぀-ゟ゠-ヿ]+|[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^(\s|[.,!?…。，、।۔،])]+|\s", r"\d{1,3}(?=(?:\d{3})*\b)", r"(?<=\p{L})\d|\d+(?!\.)", r"[\p{P}\$\+<=>\^~\|]+|'\w+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]


def texts(r):
    for _ in range(4):
        yield "".join(r.choice("aabbBcC11 \n.é²'日ſK\u0301\u0661Ⅷ") for _ in range(r.randrange(1, 12)))


def rows(count, seed):
    r = random.Random(seed)
    for pattern in USED + [expression(r, 3) for _ in range(count)]:
        try:
            replace, split = normalizers.Replace(Regex(pattern), "|"), pre_tokenizers.Split(Regex(pattern), "isolated")
        except Exception:
            continue  # no expression for the library
        found = [[text, replace.normalize_str(text), [piece for piece, _ in split.pre_tokenize_str(text)]] for text in texts(r)]
        yield {"pattern": pattern, "found": found}


def write(name, count, seed):
    with gzip.GzipFile(here / name, "wb", mtime=0) as f:
        f.write(json.dumps(list(rows(count, seed)), ensure_ascii=False).encode())


write("golden.json.gz", 120, 1)
if len(sys.argv) > 2:
    write("more.json.gz", int(sys.argv[1]), int(sys.argv[2]))
