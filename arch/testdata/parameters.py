"""Writes parameters.json: names and shapes of LLaMA's weights in transformers.

Run with: python parameters.py > parameters.json
"""

import json

import torch
from transformers import LlamaConfig, LlamaForCausalLM

CASES = {
    "gqa tied": dict(num_hidden_layers=3, hidden_size=48, num_attention_heads=6, num_key_value_heads=2,
                     intermediate_size=256, vocab_size=97, tie_word_embeddings=True),
    "mha untied": dict(num_hidden_layers=2, hidden_size=32, num_attention_heads=4, num_key_value_heads=4,
                       intermediate_size=80, vocab_size=33, tie_word_embeddings=False),
    "head dim": dict(num_hidden_layers=1, hidden_size=32, num_attention_heads=4, num_key_value_heads=1, head_dim=10,
                     intermediate_size=64, vocab_size=33, tie_word_embeddings=False),
}

result = []
for name, case in CASES.items():
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**case))
    result.append({
        "name": name,
        "config": case,
        "parameters": {n: list(p.shape) for n, p in model.named_parameters()},
        "count": sum(p.numel() for p in model.parameters()),
    })
print(json.dumps(result, indent=1))
