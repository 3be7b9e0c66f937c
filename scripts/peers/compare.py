"""Alternates mobilellm-bench with PyTorch on the same work and prints ratios.

Speeds are medians of each run's steps; a ratio pairs two runs that followed each
other, because a shared machine drifts. Memory is the largest resident size of
the process; on a GPU, what is in use of its memory after the steps.
"""
import argparse
import json
import statistics
import subprocess
import sys

ROWS = {  # name: config, batch, seq, precision, compile
    "125m": ("125m.yaml", 4, 512, "bf16", False),
    "125m-compile": ("125m.yaml", 4, 512, "bf16", True),
    "125m-ls": ("125m-ls.yaml", 4, 512, "bf16", False),
    "125m-2048": ("125m.yaml", 1, 2048, "bf16", False),
    "350m": ("350m.yaml", 4, 512, "bf16", False),
    "125m-float32": ("125m.yaml", 4, 512, "float32", False),
}
GPU_ROWS = {
    "125m": ("125m.yaml", 32, 2048, "bf16", True),
    "350m": ("350m.yaml", 32, 2048, "bf16", True),
    "125m-ls": ("125m-ls.yaml", 32, 2048, "bf16", True),
    "125m-eager": ("125m.yaml", 32, 2048, "bf16", False),
    "125m-float32": ("125m.yaml", 8, 2048, "float32", True),
}


def output(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def spread(values, form):
    return f"{form % statistics.median(values)} ({form % min(values)} to {form % max(values)})"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bench", required=True, help="the mobilellm-bench binary")
    p.add_argument("--python", required=True, help="a Python with torch and transformers")
    p.add_argument("--rows", nargs="*", help="names of rows; default all")
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--steps", type=int, help="measured in a run; default 3, on a GPU 20")
    a = p.parse_args()
    rows = GPU_ROWS if a.device == "cuda" else ROWS
    unknown = set(a.rows or ()) - set(rows)
    if unknown:
        p.error(f"no row {', '.join(sorted(unknown))}: there are {', '.join(rows)}")
    steps = a.steps or (20 if a.device == "cuda" else 3)
    here = __file__.rsplit("/", 1)[0]
    for name in a.rows or rows:
        config, batch, seq, precision, compiled = rows[name]
        ratios, ours, theirs = [], [], []
        for run in range(a.runs):
            o = output([a.bench, "train", "--config", config, "--batch", str(batch), "--seq", str(seq), "--precision",
                        precision, "--steps", str(steps), "--warm-up", "5" if a.device == "cuda" else "1", "--device", a.device, "--json"])
            command = [a.python, f"{here}/torch_step.py", "--model", json.dumps(o["model"]), "--batch", str(batch),
                       "--seq", str(seq), "--precision", precision, "--threads", str(o["workers"]), "--steps", str(steps),
                       "--device", a.device, "--warm-up", "5" if a.device == "cuda" else "1"]
            t = output(command + (["--compile"] if compiled else []))
            ours.append(o)
            theirs.append(t)
            ratios.append(o["tokens_per_second"] / t["tokens_per_second"])
            print(f"{name} run {run + 1}: ours {o['tokens_per_second']:.0f} tokens/s, {100 * o['share_of_peak']:.0f} % of peak; "
                  f"PyTorch {t['tokens_per_second']:.0f}; ratio {ratios[-1]:.2f}", file=sys.stderr)
        peak = [x["peak_gflops"] for x in ours]
        shares = [t["tokens_per_second"] * o["flops_per_token"] / o["peak_gflops"] / 1e9 for o, t in zip(ours, theirs)]
        print(f"{name}: {config} {batch}×{seq} {precision}{' torch.compile' if compiled else ''}, recompute none, torch {theirs[0]['torch']}")
        print(f"  speed ratio       {spread(ratios, '%.2f')}")
        print(f"  memory ratio      {spread([o['peak_bytes'] / t['peak_bytes'] for o, t in zip(ours, theirs)], '%.2f')}")
        print(f"  ours              {spread([o['tokens_per_second'] for o in ours], '%.0f')} tokens/s, "
              f"{spread([100 * o['share_of_peak'] for o in ours], '%.0f')} % of peak, {statistics.median([o['peak_bytes'] for o in ours]) / 1e9:.2f} GB")
        print(f"  PyTorch           {spread([t['tokens_per_second'] for t in theirs], '%.0f')} tokens/s, "
              f"{spread([100 * s for s in shares], '%.0f')} % of peak, {statistics.median([t['peak_bytes'] for t in theirs]) / 1e9:.2f} GB")
        print(f"  product peak      {spread(peak, '%.0f')} GFLOP/s", flush=True)


if __name__ == "__main__":
    main()
