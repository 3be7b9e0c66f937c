"""Writes peft-adapter/: an adapter of hf-llama that peft drew and saved, and the logits of the last
position with it. Run it with torch, transformers and peft, after golden.py."""

import json
import pathlib

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

IDS = [1, 5, 9, 2, 7, 3]
out = pathlib.Path("peft-adapter")

torch.manual_seed(11)
base = LlamaForCausalLM.from_pretrained("hf-llama", dtype=torch.float32)
model = get_peft_model(base, LoraConfig(
    task_type="CAUSAL_LM", r=2, lora_alpha=6, use_rslora=True, lora_dropout=0.1, init_lora_weights=False,
    target_modules=["q_proj", "k_proj", "o_proj", "up_proj"])).eval()
model.save_pretrained(out)
(out / "README.md").unlink(missing_ok=True)
config = json.loads((out / "adapter_config.json").read_text())
config["target_modules"].sort()  # a set, in an order of its own
(out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
with torch.no_grad():
    logits = model(torch.tensor([IDS])).logits[0, -1]
(out / "logits.json").write_text(json.dumps({"ids": IDS, "logits": [float(f"{v:.7g}") for v in logits.tolist()]}) + "\n")
