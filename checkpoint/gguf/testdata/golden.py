"""Write what the gguf package computes, for the tests of this package.

    pip install gguf==0.19.0 numpy
    python3 golden.py

quantised.json: blocks, what it makes of them in each type that is written, and the
float32 that it makes of that. dequantised.json: for each type that is read,
blocks and the bits of the float32 that it makes of them: random bits, some with
scales that are zero, negative, subnormal, the largest, infinite or no number, and,
where the package can, blocks that it quantised. rope_freqs.json: the factors of Llama
3's scaling as llama.cpp's converter computes them.
"""

import base64
import json
import math
import pathlib

import gguf
import numpy as np

HERE = pathlib.Path(__file__).parent
Q = gguf.GGMLQuantizationType

# The places of halves within a block of each type.
SCALES = {
    Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2], Q.Q8_0: [0], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208],
    Q.F16: range(0, 64, 2), Q.BF16: [], Q.F32: [],
}
EXTREMES = np.array([0, -0.0, 1, -1, 65504, -65504, 2**-14, 2**-24, -(2**-24), 0.1, math.inf, -math.inf, math.nan], dtype=np.float16)
BLOCKS = 40


def blocks():
    r = np.random.default_rng(7)
    rows = [r.normal(size=32) * s for s in (1, 1e-3, 50, 1e-8)]
    rows += [np.zeros(32), np.arange(32) - 16, np.arange(32) * 0.5, np.full(32, -2.5)]
    return np.array(rows, dtype=np.float32)


def encoded(x):
    return base64.b64encode(x.tobytes()).decode()


def quantised():
    """Blocks of weights of all sizes, ties of the largest magnitude and of rounding,
    outliers, and values about zero and far from it."""
    r = np.random.default_rng(11)
    x = [blocks(), r.normal(size=(64, 32)) * np.exp(r.uniform(-16, 8, size=(64, 1)))]
    x.append(r.integers(-8, 9, size=(24, 32)) / 2)
    x.append(r.standard_t(2, size=(16, 32)) / 50 + r.normal(size=(16, 1)))
    x.append(np.abs(r.normal(size=(4, 32))) * [[1], [-1], [1e-6], [-1e-6]])
    x = np.concatenate(x).astype(np.float32)
    out = {"x": encoded(x)}
    for kind in (Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0):
        q = gguf.quants.quantize(x, kind)
        out[kind.name.lower()] = {"blocks": encoded(q), "values": encoded(gguf.quants.dequantize(q, kind))}
    (HERE / "quantised.json").write_text(json.dumps(out, indent=1) + "\n")


def dequantised():
    out = {}
    for kind, places in SCALES.items():
        r = np.random.default_rng(int(kind))
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        per = max(1, 32 // elements)  # of plain types a row is 32 elements
        raw = r.integers(0, 256, size=(BLOCKS, per * size), dtype=np.uint8)
        for row in raw:
            for at in places:  # mostly scales as models have them
                row[at:at + 2] = np.array([r.normal() / 100], dtype=np.float16).view(np.uint8)
        for i, row in enumerate(raw[:2 * len(EXTREMES)]):
            for at in places[i % max(len(places), 1):][:1]:
                row[at:at + 2] = EXTREMES[i // 2:i // 2 + 1].view(np.uint8)
        try:
            made = gguf.quants.quantize(np.tile(blocks(), (1, max(elements // 32, 1))), kind)
            raw = np.concatenate([raw, made.view(np.uint8).reshape(len(made), -1)])
        except NotImplementedError:
            pass  # k-quants are read only
        with np.errstate(all="ignore"):
            typed = raw.view({Q.F16: np.float16, Q.F32: np.float32}.get(kind, np.uint8))
            back = gguf.quants.dequantize(typed, kind)
        assert back.dtype == np.float32 and back.size == len(raw) * per * elements, (kind, back.shape)
        out[kind.name.lower()] = {k: encoded(v) for k, v in (("blocks", raw), ("values", back))}
    (HERE / "dequantised.json").write_text(json.dumps(out, indent=1) + "\n")


def rope_factors():
    dim, base, factor, low, high, original = 64, 500000.0, 32.0, 1.0, 4.0, 8192
    factors = []
    for i in range(0, dim, 2):
        wavelength = 2 * math.pi * base ** (i / dim)
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    (HERE / "rope_freqs.json").write_text(json.dumps(factors) + "\n")


if __name__ == "__main__":
    quantised()
    dequantised()
    rope_factors()
