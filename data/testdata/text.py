"""Writes text.txt.gz: a text of 300 KB in the form of WikiText, made of made-up words that are
used as often as Zipf's law has it, for tests that would otherwise need a real text. The same
bytes on every run.

Run: python text.py   (standard library only)
"""

import gzip
import pathlib
import random

draw = random.Random(2402)
ONSETS = ["", "b", "br", "c", "ch", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "st", "t", "th", "v", "w", "é", "ö", "ж", "山"]
VOWELS = ["a", "e", "i", "o", "u", "ea", "io", "ou"]
CODAS = ["", "", "n", "r", "s", "t", "nd", "ng", "ll", "ed"]


def syllable():
    return draw.choice(ONSETS) + draw.choice(VOWELS) + draw.choice(CODAS)


words = list(dict.fromkeys("".join(syllable() for _ in range(draw.choice((1, 1, 2, 2, 3)))) for _ in range(6000)))
weights = [1 / (rank + 2.7) for rank in range(len(words))]


def sentence():
    some = draw.choices(words, weights, k=draw.randint(4, 24))
    for i in range(1, len(some) - 1):
        if draw.random() < 0.06:
            some[i] += draw.choice((" ,", " ;", " @-@ " + draw.choice(words), " @,@ " + str(draw.randint(100, 999))))
    return some[0].capitalize() + " " + " ".join(some[1:]) + " . "


text = bytearray()
while len(text) < 300_000:
    lines = [" ", " = " + " ".join(draw.choices(words, weights, k=3)).title() + " = ", " "]
    lines += [" " + "".join(sentence() for _ in range(draw.randint(2, 8))) for _ in range(draw.randint(1, 5))]
    text += ("\n".join(lines) + "\n").encode()
with open(pathlib.Path(__file__).with_name("text.txt.gz"), "wb") as f:
    f.write(gzip.compress(bytes(text), 9, mtime=0))
print(len(text), "bytes")
