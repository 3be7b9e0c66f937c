"""Plots the losses of RUNS/SEED/float32 and RUNS/SEED/bf16, of the first seed, and
prints a table of how the runs of each seed end."""
import json
import os
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "mobilellm"
import matplotlib.pyplot as plt

runs, target = sys.argv[1:]


def rows(seed, precision):
    with open(os.path.join(runs, seed, precision, "metrics.jsonl")) as lines:
        return [json.loads(line) for line in lines]


def plot(seed):
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    for name, style in (("float32", "-"), ("bf16", "--")):
        held = [(r["step"], r["heldout_loss"]) for r in rows(seed, name) if "heldout_loss" in r]
        smooth, curve = None, []
        for r in rows(seed, name):
            if "loss" in r:
                smooth = r["loss"] if smooth is None else 0.95 * smooth + 0.05 * r["loss"]
                curve.append((r["step"], smooth))
        left.plot(*zip(*curve), style, label=name, linewidth=1)
        right.plot(*zip(*held), style, marker=".", label=name, linewidth=1)
    for axis, title in ((left, "training loss (smoothed)"), (right, "validation loss")):
        axis.set_xlabel("step")
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    os.makedirs(os.path.dirname(target), exist_ok=True)
    figure.savefig(target, metadata={"Date": None})


seeds = sorted(os.listdir(runs), key=int)
plot(seeds[0])
final = {s: [rows(s, p)[-1]["heldout_loss"] for p in ("float32", "bf16")] for s in seeds}
final["mean"] = [sum(column) / len(seeds) for column in zip(*final.values())]
print("| seed | float32 | bf16 | difference |\n| --- | ---: | ---: | ---: |")
for seed, (exact, rounded) in final.items():
    print(f"| {seed} | {exact:.4f} | {rounded:.4f} | {100 * (rounded / exact - 1):+.2f} % |".replace("-", "−"))
