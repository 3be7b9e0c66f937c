"""Plots the losses of runs/float32 and runs/bf16 and prints their difference."""
import json
import os
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "mobilellm"
import matplotlib.pyplot as plt

runs, target = sys.argv[1:]
final = {}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
for name, style in (("float32", "-"), ("bf16", "--")):
    rows = [json.loads(line) for line in open(os.path.join(runs, name, "metrics.jsonl"))]
    train = [(r["step"], r["loss"]) for r in rows if "loss" in r]
    held = [(r["step"], r["heldout_loss"]) for r in rows if "heldout_loss" in r]
    smooth, curve = None, []
    for step, loss in train:
        smooth = loss if smooth is None else 0.95 * smooth + 0.05 * loss
        curve.append((step, smooth))
    left.plot(*zip(*curve), style, label=name, linewidth=1)
    right.plot(*zip(*held), style, marker=".", label=name, linewidth=1)
    final[name] = held[-1][1]
for axis, title in ((left, "training loss (smoothed)"), (right, "held-out loss")):
    axis.set_xlabel("step")
    axis.set_title(title, fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend()
figure.tight_layout()
os.makedirs(os.path.dirname(target), exist_ok=True)
figure.savefig(target, metadata={"Date": None})
change = final["bf16"] / final["float32"] - 1
print(f"held-out loss after {held[-1][0]} steps: float32 {final['float32']:.4f}, bf16 {final['bf16']:.4f}, {100 * change:+.2f} %")
