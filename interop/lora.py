"""Check LoRA adapters against PyPI's peft and llama.cpp.

    python lora.py --bin FOLDER

Tiny models are trained, one of them with shared layers, and adapters of them. peft opens the
exported adapter on the exported base, and llama.cpp its GGUF file: logits must be those of the
run, and of the model with the adapter merged. The other way, an adapter that peft drew and
saved must give our program peft's logits. Run it by lora.sh.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model

import models
from checks import Checks, Program

LOGITS = 1e-4
IDS = list(range(1, 120, 3))
CASES = {
    "tied-gqa": ["lora.rank=4", "lora.dropout=0.1"],
    "untied-gqa": ["lora.rank=8", "lora.alpha=12", "lora.rslora=true", "lora.targets=[q_proj, v_proj, down_proj]"],
    "immediate": ["lora.rank=4"],
}


def tune(case, base, work, binaries):
    """Train an adapter of a model and return the run's folder."""
    out = work / f"{case.name}-lora"
    command = [binaries / "mobilellm-train", "--init", base, "--out", out, "--config", work / "lora.yaml", "--data", models.ROOT / "configs" / "*.yaml"]
    for key in CASES[case.name]:
        command += ["--set", key]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return out


def logits(model, ids=IDS):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy()


def llama_logits(base, adapter):
    from llama_cpp import Llama

    model = Llama(str(base), lora_path=str(adapter), n_ctx=models.CONTEXT, logits_all=True, verbose=False, n_threads=2, type_k=0, type_v=0, flash_attn=False)
    model.eval(IDS)
    return np.array(model.scores[: len(IDS)])


def check(c, p, case, work, binaries):
    base = models.train(case, work, binaries)
    run = tune(case, base, work, binaries)
    ours = p.logits(run, IDS)
    at = {name: work / f"{case.name}.{name}" for name in ("hf", "adapter", "merged", "gguf", "lora.gguf", "drawn", "drawn-merged")}
    p.export(base, "hf", at["hf"])
    p.export(base, "hf", at["adapter"], "--adapter", run)
    p.export(base, "hf", at["merged"], "--merge-adapter", run)
    p.export(base, "gguf", at["gguf"])
    p.export(base, "gguf", at["lora.gguf"], "--adapter", run)

    load = lambda path: transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    plain = logits(load(at["hf"]))
    apart = np.abs(plain - ours).max()
    c.check(case.name, "peft", "the adapter matters", apart > 0.01, f"{apart:.2g} without it")
    adapted = PeftModel.from_pretrained(load(at["hf"]), at["adapter"]).eval()
    c.close(case.name, "peft", "logits of the exported adapter", logits(adapted), ours, LOGITS)
    if not case.shared:
        checkpoint = next((run / "checkpoints").glob("step-*"))
        c.close(case.name, "peft", "logits of the run's checkpoint", logits(PeftModel.from_pretrained(load(at["hf"]), checkpoint).eval()), ours, LOGITS)
    c.close(case.name, "transformers", "logits of the merged model", logits(load(at["merged"])), ours, LOGITS)
    c.close(case.name, "llama.cpp", "logits of the GGUF adapter", llama_logits(at["gguf"], at["lora.gguf"]), ours, 10 * LOGITS)

    torch.manual_seed(3)
    drawn = get_peft_model(load(at["hf"]), LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=5, target_modules="all-linear", init_lora_weights=False)).eval()
    drawn.save_pretrained(at["drawn"])
    p.export(at["hf"], "hf", at["drawn-merged"], "--merge-adapter", at["drawn"])
    c.close(case.name, "peft", "logits of an adapter of its own", p.logits(at["drawn-merged"], IDS), logits(drawn), LOGITS)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of our commands")
    args = parser.parse_args()
    binaries = args.bin.resolve()
    c, p = Checks(), Program(binaries)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "lora.yaml").write_text("data: {seq: 128, heldout_fraction: 0.1}\noptim: {lr: 2e-2, warmup_steps: 0}\n"
                                        "train: {steps: 10, batch: 8, precision: float32}\neval: {every: 0}\n")
        for case in models.CASES:
            if case.name in CASES:
                check(c, p, case, work, binaries)
    print(f"{c.passed} passed, {c.failed} failed")
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(main())
