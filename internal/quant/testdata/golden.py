"""Writes golden.json: rows, and their integers and scales by each scheme.

Run: python golden.py   (torch 2.x and compressed-tensors 0.20, CPU)

LLM-QAT's formulas are written here in PyTorch: symmetric s = 127/(max|x| + 1e-6),
q = round(x·s), x ≈ q/(s + 1e-6); asymmetric q = round(255·(x − min)/(max − min + 1e-8)).
compressed-tensors' are its own functions.
"""

import json
import pathlib

import torch
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import quantize
from compressed_tensors.quantization.utils import calculate_qparams, compute_dynamic_scales_and_zp


def rows():
    g = torch.Generator().manual_seed(1)

    def normal(n):
        return torch.randn(n, generator=g)

    outlier = normal(96)
    outlier[17] = 3e4
    yield "normal", normal(200)
    yield "weights", 0.02 * normal(130)
    yield "zeros", torch.zeros(5)
    yield "one large outlier", outlier
    yield "tiny", 1e-20 * normal(40)
    yield "small", 3e-7 * normal(40)
    yield "large", 1e30 * normal(40)
    yield "negatives only", -normal(50).abs() - 0.25
    yield "positives only", normal(50).abs() + 0.25
    yield "one element", torch.tensor([0.3])
    yield "one negative element", torch.tensor([-7.0])
    yield "one zero", torch.tensor([0.0])
    yield "ties", torch.arange(-127, 128) / 2


def symmetric(x):
    s = 127 / (x.abs().max() + 1e-6)
    return torch.round(x * s), 1 / (s + 1e-6), torch.tensor(0.0)


def asymmetric(x):
    span = x.max() - x.min() + 1e-8
    return torch.round((x - x.min()) / span * 255), span / 255, x.min()


def compressed_activations(x):
    args = QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="token", dynamic=True)
    token = x.view(1, 1, -1)
    scale, zero = compute_dynamic_scales_and_zp(token, args, None)
    return quantize(token, scale, zero, args).flatten(), scale.flatten()[0], torch.tensor(0.0)


def compressed_weights(x):
    args = QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="channel")
    scale, zero = calculate_qparams(x.min().view(1, 1), x.max().view(1, 1), args)
    return quantize(x.view(1, -1), scale, zero, args).flatten(), scale.flatten()[0], torch.tensor(0.0)


def quantised(of, x):
    q, scale, offset = of(x)
    return {"q": [int(v) for v in q], "scale": scale.item(), "offset": offset.item()}


out = [{
    "name": name,
    "x": x.tolist(),
    "activations": {"symmetric": quantised(symmetric, x), "asymmetric": quantised(asymmetric, x), "compressed-tensors": quantised(compressed_activations, x)},
    "weights": {"symmetric": quantised(symmetric, x), "compressed-tensors": quantised(compressed_weights, x)},
} for name, x in rows()]
pathlib.Path(__file__).with_name("golden.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
