"""Write ropescaling.json: the frequencies of transformers' scaled RoPEs.

python3 ropescaling.py
"""

import json
import pathlib

import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

CASES = [
    (64, 128, 32, 10000.0, None),
    (64, 128, 64, 10000.0, {"rope_type": "linear", "factor": 4.0}),
    (28, 128, 100, 500000.0, {"rope_type": "linear", "factor": 2.5}),
    (64, 128, 128, 10000.0, {"rope_type": "dynamic", "factor": 2.0}),
    (64, 128, 129, 10000.0, {"rope_type": "dynamic", "factor": 2.0}),
    (64, 128, 700, 10000.0, {"rope_type": "dynamic", "factor": 2.0}),
    (28, 96, 200, 50000.0, {"rope_type": "dynamic", "factor": 4.0}),
    (64, 131072, 64, 500000.0, {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}),
    (64, 131072, 64, 500000.0, {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                                "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}),
    (32, 256, 64, 10000.0, {"rope_type": "llama3", "factor": 3.0, "low_freq_factor": 1.5,
                            "high_freq_factor": 2.5, "original_max_position_embeddings": 64}),
]


def main():
    cases = []
    for dim, context, length, base, scaling in CASES:
        rope = {"rope_theta": base, "rope_type": "default", **(scaling or {})}
        config = LlamaConfig(hidden_size=4 * dim, num_attention_heads=4, head_dim=dim,
                             max_position_embeddings=context, rope_parameters=rope)
        embedding = LlamaRotaryEmbedding(config)
        embedding(torch.zeros(1), torch.arange(length)[None])  # dynamic ones grow here
        s = scaling or {}
        cases.append({
            "head_dim": dim, "length": length, "base": base,
            "kind": s.get("rope_type", ""), "factor": s.get("factor", 0),
            "original": s.get("original_max_position_embeddings", context if s.get("rope_type") == "dynamic" else 0),
            "low_freq": s.get("low_freq_factor", 0), "high_freq": s.get("high_freq_factor", 0),
            "frequencies": embedding.inv_freq.double().tolist(),
        })
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
