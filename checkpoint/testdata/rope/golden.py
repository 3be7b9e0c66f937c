"""Writes cases.json: for each way of saying a rotary embedding's base and scaling in
config.json, the logits of a small model that transformers reads with it.

  python golden.py

The weights are fill's, which the Go test repeats.
"""

import json
import pathlib
import tempfile

import torch
from transformers import AutoConfig, LlamaForCausalLM

here = pathlib.Path(__file__).parent

SHAPE = {
    "model_type": "llama", "vocab_size": 16, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}
IDS = [(i * i * 3 + i) % 16 for i in range(48)]

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}

CASES = {
    "nothing": {},
    "a base": {"rope_theta": 500000.0},
    "a base within rope_scaling": {"rope_scaling": {"rope_theta": 500000.0, "rope_type": "default"}},
    "another beside it": {"rope_theta": 3000.0, "rope_scaling": {"rope_theta": 500000.0, "rope_type": "default"}},
    "by the older key": {"rope_scaling": {"rope_theta": 500000.0, "type": "default"}},
    "a base alone within": {"rope_scaling": {"rope_theta": 3000.0}},
    "a base that is a whole number": {"rope_scaling": {"rope_theta": 500000, "rope_type": "default"}},
    "rope_parameters": {"rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}},
    "rope_parameters and another base": {"rope_theta": 3000.0, "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}},
    "rope_parameters without a base": {"rope_theta": 3000.0, "rope_parameters": {"rope_type": "linear", "factor": 2.0}},
    "rope_scaling hides rope_parameters": {
        "rope_scaling": {"rope_type": "linear", "factor": 2.0},
        "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},
    },
    "rope_scaling with a base hides rope_parameters": {
        "rope_scaling": {"rope_theta": 3000.0},
        "rope_parameters": {"rope_theta": 500000.0, "rope_type": "linear", "factor": 2.0},
    },
    "an empty rope_scaling": {"rope_scaling": {}, "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}},
    "a rope_scaling of null": {"rope_scaling": None, "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}},
    "two types": {"rope_scaling": {"rope_type": "default", "type": "linear", "factor": 2.0}},
    "linear": {"rope_scaling": {"rope_theta": 3000.0, "type": "linear", "factor": 4.0}},
    "dynamic": {"rope_scaling": {"rope_theta": 3000.0, "rope_type": "dynamic", "factor": 4.0}},
    "llama3": {"rope_scaling": {"rope_theta": 3000.0, "original_max_position_embeddings": 16, **LLAMA3}},
    "llama3 and a base beside it": {"rope_theta": 3000.0, "rope_scaling": {"original_max_position_embeddings": 16, **LLAMA3}},
    "llama3 without an original context": {"rope_theta": 3000.0, "rope_scaling": LLAMA3},
    "llama3 with its original context beside it": {
        "rope_theta": 3000.0, "original_max_position_embeddings": 16, "rope_scaling": LLAMA3,
    },
    "llama3 with another original context beside it": {
        "rope_theta": 3000.0, "original_max_position_embeddings": 16,
        "rope_scaling": {"original_max_position_embeddings": 32, **LLAMA3},
    },
    "llama3 in rope_parameters": {"rope_parameters": {"rope_theta": 3000.0, "original_max_position_embeddings": 32, **LLAMA3}},
    "the whole head": {"partial_rotary_factor": 1.0, "rope_scaling": {"rope_theta": 3000.0, "partial_rotary_factor": 1.0}},
}


def fill(name, tensor):
    """Large enough for positions to matter; exact in float32."""
    if tensor.dim() == 1:
        return torch.ones_like(tensor)
    k = torch.arange(tensor.numel()) * 7 + len(name)
    return ((k * k % 61) / 64 - 0.46875).reshape(tensor.shape)


def logits(fields):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "config.json"
        path.write_text(json.dumps({**SHAPE, **fields}))
        model = LlamaForCausalLM(AutoConfig.from_pretrained(folder))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(fill(name, parameter))
        return model(torch.tensor([IDS])).logits[0, -1].tolist()


def main():
    cases = [{"name": name, "fields": fields, "logits": logits(fields)} for name, fields in CASES.items()]
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    (here / "cases.json").write_text(f'{{"shape": {json.dumps(SHAPE)},\n "ids": {IDS},\n "cases": [\n{lines}\n]}}\n')


main()
