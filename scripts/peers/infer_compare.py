"""Alternates mobilellm-bench infer with other programs on the same weights and prints
ratios: pairs of runs that followed each other, since a shared machine drifts.
"""
import argparse
import json
import os
import statistics
import sys

from compare import output, spread


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bench", required=True, help="the mobilellm-bench binary")
    p.add_argument("--folder", required=True, help="the model, a Hugging Face folder")
    p.add_argument("--gguf", required=True, help="its GGUF files, with {} for float32, bf16 or q8_0")
    p.add_argument("--openvino", required=True, help="its folder for OpenVINO")
    p.add_argument("--python", required=True, help="a Python with torch, transformers and llama-cpp-python")
    p.add_argument("--openvino-python", required=True, help="one with optimum-intel")
    p.add_argument("--precisions", nargs="*", default=["bf16", "float32"], choices=["bf16", "float32", "w8a8", "w8a8-head"],
                   help="8 bits are compared with llama.cpp's q8_0 alone")
    p.add_argument("--peers", nargs="*", default=["llama.cpp", "transformers", "OpenVINO"])
    p.add_argument("--batch", type=int, default=16, help="texts at once, beside one alone")
    p.add_argument("--runs", type=int, default=3)
    a = p.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    batches = sorted({1, a.batch})
    for precision in a.precisions:
        ratios, speeds = {}, {}
        quantize = precision if precision.startswith("w8a8") else ""
        kept = "bf16" if quantize else precision
        for run in range(a.runs):
            for peer in ["llama.cpp"] if quantize else a.peers:
                o = output([a.bench, "infer", "--model", a.folder, "--precision", kept, "--kv-type", kept, "--quantize", quantize, "--depths", "0",
                            "--batches", ",".join(map(str, batches)), "--repeats", "3", "--peak", "200ms", "--json"])
                workers = os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
                model = {"llama.cpp": a.gguf.format("q8_0" if quantize else precision), "OpenVINO": a.openvino}.get(peer, a.folder)
                python = a.openvino_python if peer == "OpenVINO" else a.python
                theirs = []
                for batch in batches:
                    theirs += output([python, f"{here}/infer_peer.py", "--engine", peer, "--model", model, "--precision", kept,
                                      "--threads", str(workers), "--batch", str(batch)])["rows"]
                mine = {(r["test"], r["batch"]): r for r in o["rows"]}
                for t in theirs:
                    key = t["test"], t["batch"]
                    speeds.setdefault(("ours", *key), []).append(mine[key]["tokens_per_second"])
                    speeds.setdefault(("share", *key), []).append(100 * mine[key]["share"])
                    speeds.setdefault((peer, *key), []).append(t["tokens_per_second"])
                    ratios.setdefault((peer, *key), []).append(mine[key]["tokens_per_second"] / t["tokens_per_second"])
                    print(f"{precision} run {run + 1} {key[0]} × {key[1]}: ours {mine[key]['tokens_per_second']:.1f} tokens/s, "
                          f"{peer} {t['tokens_per_second']:.1f}, ratio {ratios[(peer, *key)][-1]:.2f}", file=sys.stderr)
        print(f"{precision}, matmul peak {o['machine']['peak_gflops']:.0f} GFLOP/s, read {o['machine']['read_gigabytes_per_s']:.1f} GB/s in the last run")
        for (who, test, batch), x in sorted(speeds.items(), key=lambda s: (s[0][1], s[0][2], s[0][0])):
            if who == "share":
                continue
            line = f"  {test:>6} × {batch:<3} {who:<13} {spread(x, '%.1f')} tokens/s"
            if who == "ours":
                line += f", {spread(speeds['share', test, batch], '%.0f')} % of its limit"
            else:
                line += f"; ours {spread(ratios[who, test, batch], '%.2f')} times"
            print(line, flush=True)


main()
