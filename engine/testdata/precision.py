"""Writes precision.json: how far bf16 autocast moves a LLaMA's loss and gradients.

Run: python precision.py   (torch 2.x, transformers 5.x, CPU with bf16)

One batch through one model by transformers, in float64 and under bf16 autocast with
scaled-dot-product attention. For each parameter two numbers of the gradient g beside
float64's r: error |g − r| / |r|, and scale g·r / r·r (1 where rounding only adds noise).
The test draws the weights as `uniform` does, from each parameter's stream.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../../arch/testdata/llama"))
from golden import llama

CONFIG = {
    "vocab_size": 512,
    "layers": 4,
    "dim": 128,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 32,
    "ffn_dim": 352,
    "norm_eps": 1e-5,
    "rope_base": 10000.0,
    "share_embedding": True,
    "sharing": "none",
    "repeat": 1,
}
BATCH, SEQ = 2, 300
WEIGHT_STD = 0.1  # wide enough for attention to choose and for logits to differ


def hashes(stream, n):
    """n 32-bit numbers that look random: Prospector's lowbias32 of stream·2²⁴ + i."""
    x = np.arange(n, dtype=np.uint32) + np.uint32((stream << 24) & 0xFFFFFFFF)
    x ^= x >> 16
    x *= np.uint32(0x21F0AAAD)
    x ^= x >> 15
    x *= np.uint32(0x735A2D97)
    return x ^ (x >> 15)


def uniform(stream, shape):
    """Numbers in [−1, 1), multiples of 2⁻²³: exact in float32."""
    top = (hashes(stream, int(np.prod(shape))) >> np.uint32(8)).astype(np.float64)
    return torch.from_numpy((top / 2**23 - 1).reshape(shape))


def build():
    model = llama(CONFIG, SEQ, "sdpa")
    with torch.no_grad():
        for stream, p in enumerate(model.parameters()):
            u = uniform(stream, p.shape)
            p.copy_(1 + u / 4 if p.ndim == 1 else u * (WEIGHT_STD * 3**0.5))
    return model


def gradients(model, tokens, targets):
    """The mean loss over all targets, and every parameter's gradient in float64."""
    model.zero_grad()
    logits = model(input_ids=tokens).logits.to(next(model.parameters()).dtype)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    return loss.item(), {n: p.grad.double() for n, p in model.named_parameters()}


def main():
    model = build()
    # Each token follows from the one before half of the time, so that there is
    # something to learn.
    draw = hashes(200, BATCH * (SEQ + 1)).reshape(BATCH, SEQ + 1).astype(np.int64)
    text = draw % CONFIG["vocab_size"]
    for i in range(1, SEQ + 1):
        follows = draw[:, i] >> 31 == 1
        text[follows, i] = (text[follows, i - 1] * 5 + 1) % CONFIG["vocab_size"]
    text = torch.from_numpy(text)
    tokens, targets = text[:, :-1].contiguous(), text[:, 1:].contiguous()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        got_loss, got = gradients(model, tokens, targets)
    want_loss, want = gradients(model.double(), tokens, targets)
    result = {
        "config": CONFIG,
        "batch": BATCH,
        "seq": SEQ,
        "tokens": tokens.flatten().tolist(),
        "targets": targets.flatten().tolist(),
        "weight_std": WEIGHT_STD,
        "loss": want_loss,
        "autocast_loss": got_loss,
        "gradients": {},
    }
    for stream, (name, r) in enumerate(want.items()):
        g = got[name]
        result["gradients"][name] = {
            "stream": stream,
            "norm": r.norm().item(),
            "error": ((g - r).norm() / r.norm()).item(),
            "scale": ((g * r).sum() / (r * r).sum()).item(),
        }
    lines = [f'"{k}": {json.dumps(v)}' for k, v in result.items()]
    (HERE / "precision.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"loss {want_loss:.6f}, autocast {got_loss:.6f}")
    for name, v in result["gradients"].items():
        print(f"{name}: norm {v['norm']:.3g}, error {v['error']:.4f}, scale {v['scale']:.4f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
