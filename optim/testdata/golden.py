"""Writes golden.json: 20 updates of each optimiser by torch.optim.

Run: python golden.py   (torch 2.x, CPU)

Weights and gradients come from a 32-bit linear congruential generator that the
Go test repeats; they are exact in float32. Gradients of some steps are large
enough to be clipped and those of others are not.
"""

import json
import math
import pathlib

import torch
from torch.nn.utils import clip_grad_norm_

STEPS = 20
SIZES = {"embed": 131, "proj": 64, "norm": 17}  # norm does not decay
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


def run(make, lr_lambda):
    generator = Generator(1)
    params = {}
    for name, n in SIZES.items():
        params[name] = torch.nn.Parameter(generator.tensor(n, 0.125))
    optimizer = make([
        {"params": [params["embed"], params["proj"]], "weight_decay": 0.1},
        {"params": [params["norm"]], "weight_decay": 0.0},
    ])
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda)
    record = {"lr": [], "norm": [], "values": []}
    for step in range(STEPS):
        for name, n in SIZES.items():
            params[name].grad = generator.tensor(n, 0.0625 * (1 + step % 5))
        record["norm"].append(clip_grad_norm_(params.values(), CLIP).item())
        record["lr"].append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
        # A few elements at each step; everything after the last.
        record["values"].append([params[name][i].item() for name in SIZES for i in (0, 16)])
    record["final"] = {name: p.detach().tolist() for name, p in params.items()}
    record["state"] = {
        f"{kind}.{name}": optimizer.state[p][kind].tolist()
        for name, p in params.items()
        for kind in ("exp_avg", "exp_avg_sq", "momentum_buffer")
        if kind in optimizer.state[p]
    }
    return record


adam = dict(lr=2e-3, betas=(0.9, 0.95), eps=1e-8)
cases = {
    "adamw": run(lambda groups: torch.optim.AdamW(groups, **adam), cosine(5, STEPS, 0.1)),
    "adam": run(lambda groups: torch.optim.Adam(groups, **adam), cosine(5, STEPS, 0.1)),
    "sgd": run(lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9), cosine(5, STEPS, 0.1)),
    "sgd without momentum": run(lambda groups: torch.optim.SGD(groups, lr=0.05), lambda step: 1.0),
}
for name, case in cases.items():
    clipped = sum(norm > CLIP for norm in case["norm"])
    assert 0 < clipped < STEPS, (name, clipped)
out = pathlib.Path(__file__).with_name("golden.json")
out.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
