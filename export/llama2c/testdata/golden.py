"""Writes tiny.bin, tiny.tokenizer.bin and golden.json: a model of llama2.c's version 0 with
random weights, and what it does by plain loops over Python floats, which share nothing with
the Go code: the likeliest token after each, the last logits, and the ids of texts by llama2.c's
merging.

Run: python golden.py   (standard library only)
"""

import json
import math
import pathlib
import random
import struct

DIM, HIDDEN, LAYERS, HEADS, KV, CONTEXT = 16, 24, 2, 4, 2, 64
HEAD = DIM // HEADS
WORDS = [" ", "e", "i", "r", "t", "a", "o", "n", "h", "he", " t", " the", "an", " a", " an", "in", " o", "on", "é", "ré", "!", "\n"]
PIECES = ["<unk>", "\n<s>\n", "\n</s>\n"] + ["<0x%02X>" % i for i in range(256)] + WORDS
SCORES = [0.0] * 259 + [-float(i) for i in range(len(WORDS))]
VOCAB = len(PIECES)
TEXTS = ["the other one", " an oath", "réné!", "two  blanks\nand a line", "日本", ""]

draw = random.Random(8)


def single(x):
    """x as float32 keeps it."""
    return struct.unpack("<f", struct.pack("<f", x))[0]


def matrix(rows, columns, scale):
    return [[single(draw.gauss(0, scale)) for _ in range(columns)] for _ in range(rows)]


def norm():
    return [single(1 + draw.gauss(0, 0.1)) for _ in range(DIM)]


def times(w, x):
    return [sum(a * b for a, b in zip(row, x)) for row in w]


def rmsnorm(x, w):
    r = 1 / math.sqrt(sum(a * a for a in x) / len(x) + 1e-5)
    return [a * r * b for a, b in zip(x, w)]


def softmax(x):
    top = max(x)
    e = [math.exp(a - top) for a in x]
    return [a / sum(e) for a in e]


def rotate(x, pos):
    y = list(x)
    for i in range(0, len(x), 2):  # neighbours, as llama2.c turns them
        angle = pos / 10000 ** (i % HEAD / HEAD)
        c, s = math.cos(angle), math.sin(angle)
        y[i], y[i + 1] = x[i] * c - x[i + 1] * s, x[i] * s + x[i + 1] * c
    return y


embedding = matrix(VOCAB, DIM, 0.6)
layers = [
    {
        "attn_norm": norm(), "wq": matrix(DIM, DIM, 0.5), "wk": matrix(KV * HEAD, DIM, 0.5),
        "wv": matrix(KV * HEAD, DIM, 0.5), "wo": matrix(DIM, DIM, 0.5), "ffn_norm": norm(),
        "w1": matrix(HIDDEN, DIM, 0.4), "w2": matrix(DIM, HIDDEN, 0.4), "w3": matrix(HIDDEN, DIM, 0.4),
    }
    for _ in range(LAYERS)
]  # fmt: skip
final = norm()


class Run:
    def __init__(self):
        self.keys, self.values = [[] for _ in layers], [[] for _ in layers]

    def feed(self, token, pos):
        x = list(embedding[token])
        for n, l in enumerate(layers):
            h = rmsnorm(x, l["attn_norm"])
            q = rotate(times(l["wq"], h), pos)
            self.keys[n].append(rotate(times(l["wk"], h), pos))
            self.values[n].append(times(l["wv"], h))
            out = []
            for head in range(HEADS):
                at = head // (HEADS // KV) * HEAD
                mine = q[head * HEAD : (head + 1) * HEAD]
                p = softmax([sum(a * b for a, b in zip(mine, k[at : at + HEAD])) / math.sqrt(HEAD) for k in self.keys[n]])
                out += [sum(w * v[at + i] for w, v in zip(p, self.values[n])) for i in range(HEAD)]
            x = [a + b for a, b in zip(x, times(l["wo"], out))]
            h = rmsnorm(x, l["ffn_norm"])
            gate = [g / (1 + math.exp(-g)) * u for g, u in zip(times(l["w1"], h), times(l["w3"], h))]
            x = [a + b for a, b in zip(x, times(l["w2"], gate))]
        return times(embedding, rmsnorm(x, final))


def encode(text):
    """llama2.c's encode: a blank first, then characters or their bytes, then the best merge again and again."""
    ids = []
    for c in " " + text if text else "":
        ids += [PIECES.index(c)] if c in PIECES else [b + 3 for b in c.encode()]
    while True:
        pairs = [PIECES[a] + PIECES[b] for a, b in zip(ids, ids[1:])]
        found = [(SCORES[PIECES.index(p)], -i) for i, p in enumerate(pairs) if p in WORDS]
        if not found:
            return ids
        i = -max(found)[1]
        ids[i : i + 2] = [PIECES.index(pairs[i])]


def floats(*tables):
    flat = []
    for t in tables:
        for row in t:
            flat += row if isinstance(row, list) else [row]
    return struct.pack("<%df" % len(flat), *flat)


folder = pathlib.Path(__file__).parent
with open(folder / "tiny.bin", "wb") as f:
    f.write(struct.pack("<7i", DIM, HIDDEN, LAYERS, HEADS, KV, VOCAB, CONTEXT))
    f.write(floats(embedding))
    for name in ("attn_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1", "w2", "w3"):
        f.write(floats(*(l[name] for l in layers)))
    f.write(floats(final, [0.0] * (CONTEXT * HEAD)))
with open(folder / "tiny.tokenizer.bin", "wb") as f:
    f.write(struct.pack("<i", max(len(p.encode()) for p in PIECES)))
    for piece, score in zip(PIECES, SCORES):
        f.write(struct.pack("<fi", score, len(piece.encode())) + piece.encode())

run, ids, likeliest = Run(), [1] + [draw.randrange(VOCAB) for _ in range(47)], []
for pos, token in enumerate(ids):
    logits = run.feed(token, pos)
    order = sorted(range(VOCAB), key=lambda i: -logits[i])
    assert logits[order[0]] - logits[order[1]] > 1e-3  # float32 must find the same
    likeliest.append(order[0])
golden = {
    "ids": ids,
    "likeliest": likeliest,
    "logits": [round(x, 6) for x in logits],
    "texts": [{"text": t, "ids": encode(t)} for t in TEXTS],
}
(folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
