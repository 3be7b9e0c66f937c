"""llama2.c's format and forward pass in numpy, from the format's description: the
other side of the comparison of .bin files."""

import struct

import numpy as np


def read(path):
    raw = path.read_bytes()
    version, at = 0, 0
    if raw[:4] == struct.pack("<I", 0x616B3432):
        version, at = struct.unpack_from("<i", raw, 4)[0], 8
    dim, hidden, layers, heads, kv, vocab, context = struct.unpack_from("<7i", raw, at)
    tied = vocab > 0 if version == 0 else bool(raw[at + 28])
    vocab = abs(vocab)
    at = 28 if version == 0 else 256
    size = dim // heads

    def take(*shape):
        nonlocal at
        n = int(np.prod(shape))
        x = np.frombuffer(raw, "<f4", n, at).reshape(shape)
        at += 4 * n
        return x

    w = {}
    matrices = [("wq", heads * size, dim), ("wk", kv * size, dim), ("wv", kv * size, dim), ("wo", dim, heads * size)]
    ffn = [("w1", hidden, dim), ("w2", dim, hidden), ("w3", hidden, dim)]
    if version == 0:
        w["embedding"] = take(vocab, dim)
        w["attention_norm"] = take(layers, dim)
        for name, a, b in matrices:
            w[name] = take(layers, a, b)
        w["ffn_norm"] = take(layers, dim)
        for name, a, b in ffn:
            w[name] = take(layers, a, b)
        w["norm"] = take(dim)
        take(2, context, size // 2)
    else:
        w["attention_norm"], w["ffn_norm"], w["norm"] = take(layers, dim), take(layers, dim), take(dim)
        w["embedding"] = take(vocab, dim)
        for name, a, b in matrices + ffn:
            w[name] = take(layers, a, b)
    w["head"] = w["embedding"] if tied else take(vocab, dim)
    assert at == len(raw), (at, len(raw))
    return w, layers, heads, kv, size


def norm(x, gain):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * gain


def rotate(x):
    """[T, heads, D]: neighbours 2i and 2i+1 turn by t / 10000^(2i/D)."""
    t, _, d = x.shape
    angle = np.arange(t)[:, None] / 10000 ** (np.arange(0, d, 2) / d)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
    out[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
    return out


def logits(path, ids):
    w, layers, heads, kv, size = read(path)
    w = {k: v.astype(np.float64) for k, v in w.items()}
    t = len(ids)
    x = w["embedding"][ids]
    hidden = np.triu(np.full((t, t), -np.inf), 1)
    for i in range(layers):
        n = norm(x, w["attention_norm"][i])
        q = rotate((n @ w["wq"][i].T).reshape(t, heads, size))
        k = rotate((n @ w["wk"][i].T).reshape(t, kv, size))
        v = (n @ w["wv"][i].T).reshape(t, kv, size)
        k, v = (np.repeat(a, heads // kv, axis=1) for a in (k, v))
        scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(size) + hidden
        share = np.exp(scores - scores.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        x = x + np.einsum("hts,shd->thd", share, v).reshape(t, -1) @ w["wo"][i].T
        n = norm(x, w["ffn_norm"][i])
        gate = n @ w["w1"][i].T
        x = x + (gate / (1 + np.exp(-gate)) * (n @ w["w3"][i].T)) @ w["w2"][i].T
    return norm(x, w["norm"]) @ w["head"].T


def read_tokenizer(path, size):
    """[(score, bytes)] of a tokenizer.bin."""
    raw, at, pieces = path.read_bytes(), 4, []
    for _ in range(size):
        score, n = struct.unpack_from("<fi", raw, at)
        pieces.append((score, raw[at + 8 : at + 8 + n]))
        at += 8 + n
    assert at == len(raw), (at, len(raw))
    return pieces
