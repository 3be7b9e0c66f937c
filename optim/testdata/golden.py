"""Writes golden.json: 20 updates of each optimiser by torch.optim.

Run: python golden.py   (torch 2.15, CPU)

Weights and gradients come from a 32-bit linear congruential generator that the
Go test repeats; they are exact in float32. Gradients of some steps are large
enough to be clipped and those of others are not.

Muon has matrices in place of proj. torch makes its Newton-Schulz iterations in bf16;
here the same code is run in float32 besides, as the Go version does.
"""

import json
import math
import pathlib

import torch
import torch.optim._muon
from torch.nn.utils import clip_grad_norm_

STEPS = 20
SIZES = {"embed": 131, "proj": 64, "norm": 17}  # norm does not decay
MATRICES = {"embed": 131, "wide": (6, 14), "tall": (20, 8), "square": (7, 7), "norm": 17}
CLIP = 1.0


class Generator:
    def __init__(self, seed):
        self.state = seed

    def tensor(self, n, scale):
        out = []
        for _ in range(n):
            self.state = (self.state * 1664525 + 1013904223) % 2**32
            # 24 bits, so that the value is exact in float32
            out.append(((self.state >> 8) / 2**24 - 0.5) * scale)
        return torch.tensor(out, dtype=torch.float32)


def cosine(warmup, steps, floor):
    """lr factor: linear warm-up, then a cosine whose last step is the floor."""

    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        done = (step - (warmup - 1)) / ((steps - 1) - (warmup - 1))
        return floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2

    return factor


def shaped(generator, shape, scale):
    n = math.prod(shape) if isinstance(shape, tuple) else shape
    return generator.tensor(n, scale).reshape(shape)


def groups(params):
    """All that is no norm decays."""
    return [
        {"params": [p for name, p in params.items() if name != "norm"], "weight_decay": 0.1},
        {"params": [params["norm"]], "weight_decay": 0.0},
    ]


class Both:
    """Muon for the matrices and AdamW for the rest, as one optimiser."""

    def __init__(self, params, lr, muon_lr, **muon):
        matrices = [p for p in params.values() if p.ndim == 2]
        rest = {name: p for name, p in params.items() if p.ndim == 1}
        self.parts = [
            torch.optim.AdamW(groups(rest), lr=lr, betas=(0.9, 0.95), eps=1e-8),
            torch.optim.Muon(matrices, lr=muon_lr, weight_decay=0.1, **muon),
        ]
        self.param_groups = self.parts[0].param_groups

    @property
    def state(self):
        return {p: s for part in self.parts for p, s in part.state.items()}

    def step(self):
        for part in self.parts:
            part.step()


class Float32:
    """torch with float32 in the place of bf16."""

    def __getattr__(self, name):
        return torch.float32 if name == "bfloat16" else getattr(torch, name)


def run(make, lr_lambda, sizes=SIZES, float32=False):
    torch.optim._muon.torch = Float32() if float32 else torch
    generator = Generator(1)
    params = {}
    for name, shape in sizes.items():
        params[name] = torch.nn.Parameter(shaped(generator, shape, 0.125))
    optimizer = make(params)
    schedulers = [torch.optim.lr_scheduler.LambdaLR(part, lr_lambda) for part in getattr(optimizer, "parts", [optimizer])]
    record = {"lr": [], "norm": [], "values": []}
    for step in range(STEPS):
        for name, shape in sizes.items():
            params[name].grad = shaped(generator, shape, 0.0625 * (1 + step % 5))
        record["norm"].append(clip_grad_norm_(params.values(), CLIP).item())
        record["lr"].append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
        # A few elements at each step; everything after the last.
        record["values"].append([params[name].flatten()[i].item() for name in sizes for i in (0, 16)])
    record["final"] = {name: p.detach().flatten().tolist() for name, p in params.items()}
    record["state"] = {
        f"{kind}.{name}": optimizer.state[p][kind].flatten().tolist()
        for name, p in params.items()
        for kind in ("exp_avg", "exp_avg_sq", "momentum_buffer")
        if kind in optimizer.state[p]
    }
    return record


adam = dict(lr=2e-3, betas=(0.9, 0.95), eps=1e-8)
cases = {
    "adamw": run(lambda params: torch.optim.AdamW(groups(params), **adam), cosine(5, STEPS, 0.1)),
    "adam": run(lambda params: torch.optim.Adam(groups(params), **adam), cosine(5, STEPS, 0.1)),
    "sgd": run(lambda params: torch.optim.SGD(groups(params), lr=0.05, momentum=0.9), cosine(5, STEPS, 0.1)),
    "sgd without momentum": run(lambda params: torch.optim.SGD(groups(params), lr=0.05), lambda step: 1.0),
}
for name, muon in {
    "muon": dict(muon_lr=2e-3, adjust_lr_fn="match_rms_adamw"),
    "muon, bf16": dict(muon_lr=2e-3, adjust_lr_fn="match_rms_adamw"),
    "muon, original": dict(muon_lr=0.02, adjust_lr_fn="original"),
    "muon, spectral_unclamped without nesterov": dict(muon_lr=0.02, adjust_lr_fn="spectral_unclamped", nesterov=False, momentum=0.9),
}.items():
    cases[name] = run(lambda params: Both(params, 2e-3, **muon), cosine(5, STEPS, 0.1), MATRICES, float32=not name.endswith("bf16"))
for name, case in cases.items():
    clipped = sum(norm > CLIP for norm in case["norm"])
    assert 0 < clipped < STEPS, (name, clipped)
out = pathlib.Path(__file__).with_name("golden.json")
out.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
