"""Writes golden.json: float32 bits and the bits of the bfloat16 that torch rounds to.

Run: python golden.py   (torch 2.x, CPU)
"""

import json
import pathlib

import torch

bits = []
for upper in (0x0000, 0x0001, 0x007F, 0x0080, 0x3F7F, 0x3F80, 0x3F81, 0x7F7E, 0x7F7F, 0x7F80, 0xBF80, 0xC2FF, 0xFF7F, 0xFF80):
    for lower in (0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF):
        bits.append(upper << 16 | lower)  # below, at and above a tie
state = 1
for _ in range(200):
    state = (state * 1664525 + 1013904223) % 2**32
    bits.append(state)
x = torch.tensor(bits, dtype=torch.int64).to(torch.uint32).view(torch.float32)
rounded = x.to(torch.bfloat16).view(torch.uint16).tolist()
out = pathlib.Path(__file__).with_name("golden.json")
out.write_text(json.dumps(list(zip(bits, rounded)), separators=(",", ":")) + "\n")
