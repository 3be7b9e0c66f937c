"""Write q8_0.json: blocks quantised by the gguf package, and rope_freqs.json: the
factors of Llama 3's scaling as llama.cpp's converter computes them.

pip install gguf numpy
python3 golden.py
"""

import json
import math
import pathlib

import gguf
import numpy as np

HERE = pathlib.Path(__file__).parent


def blocks():
    r = np.random.default_rng(7)
    rows = [r.normal(size=32) * s for s in (1, 1e-3, 50, 1e-8)]
    rows += [np.zeros(32), np.arange(32) - 16, np.arange(32) * 0.5, np.full(32, -2.5)]
    return np.array(rows, dtype=np.float32)


def main():
    x = blocks()
    q = gguf.quants.quantize(x, gguf.GGMLQuantizationType.Q8_0)
    back = gguf.quants.dequantize(q, gguf.GGMLQuantizationType.Q8_0)
    out = [{"x": a.tolist(), "bytes": b.tolist(), "back": c.tolist()} for a, b, c in zip(x, q, back)]
    (HERE / "q8_0.json").write_text(json.dumps(out) + "\n")

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
    main()
