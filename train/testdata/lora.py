"""Writes lora.json: five steps of AdamW on the adapters of a small LLaMA by PyTorch and peft:
losses and gradients of each step, and the adapters after the last. Weights, adapters and
tokens are drawn here and stored too. Run it with torch, transformers and peft."""

import json

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

BATCH, SEQ, STEPS = 2, 8, 5
MODEL = dict(vocab_size=37, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=4, max_position_embeddings=32, rope_theta=10000.0, rms_norm_eps=1e-5,
             tie_word_embeddings=True, attention_bias=False, mlp_bias=False)
OPTIM = dict(lr=1e-2, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
CASES = {
    "all linear layers": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]),
    "q and v, rslora": dict(r=2, lora_alpha=3, use_rslora=True, target_modules=["q_proj", "v_proj"]),
}


def drawn(shape, scale):
    """Numbers that a few digits hold exactly."""
    return torch.round(torch.randn(shape) * scale * 1024) / 1024


def values(x):
    return [float(f"{v:.7g}") for v in x.detach().double().flatten().tolist()]


def ours(name):
    return name.removeprefix("base_model.model.").replace(".default", "")


def run(settings):
    torch.manual_seed(7)
    model = LlamaForCausalLM(LlamaConfig(**MODEL)).double()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(1 + drawn(p.shape, 0.1) if p.dim() == 1 else drawn(p.shape, 0.2))
    weights = {n: values(p) for n, p in model.named_parameters()}
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **settings)).double()
    trained = {ours(n): p for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for p in trained.values():
            p.copy_(drawn(p.shape, 0.2))
    case = {"lora": settings, "weights": weights, "adapters": {n: values(p) for n, p in trained.items()}, "steps": []}
    optimizer = torch.optim.AdamW(trained.values(), **OPTIM)
    for _ in range(STEPS):
        tokens = torch.randint(0, MODEL["vocab_size"], (BATCH, SEQ))
        targets = torch.randint(0, MODEL["vocab_size"], (BATCH, SEQ))
        targets[torch.rand(BATCH, SEQ) < 0.3] = -100
        logits = model(tokens).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        case["steps"].append({
            "tokens": tokens.flatten().tolist(), "targets": targets.flatten().tolist(), "loss": loss.item(),
            "gradients": {n: values(p.grad) for n, p in trained.items()},
        })
        optimizer.step()
    case["after"] = {n: values(p) for n, p in trained.items()}
    return case


with open("lora.json", "w") as f:
    json.dump({"batch": BATCH, "seq": SEQ, "cases": {name: run(settings) for name, settings in CASES.items()}}, f, separators=(",", ":"))
    f.write("\n")
