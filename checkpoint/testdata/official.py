"""Writes official/: config.json of the five models that Liu et al. published, from the shapes
of their Table 9, with the fields that LlamaConfig.save_pretrained of transformers 4.34.1 writes
and the values that the published files have besides.

Run: python official.py   (standard library only)
"""

import json
import pathlib

SHAPES = {  # layers, dim, heads, kv heads, FFN
    "125M": (30, 576, 9, 3, 1536),
    "350M": (32, 960, 15, 5, 2560),
    "600M": (40, 1152, 18, 6, 3072),
    "1B": (54, 1280, 20, 5, 3584),
    "1.5B": (54, 1600, 25, 5, 4352),
}

folder = pathlib.Path(__file__).with_name("official")
folder.mkdir(exist_ok=True)
for name, (layers, dim, heads, kv_heads, ffn) in SHAPES.items():
    config = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": dim,
        "initializer_range": 0.02,
        "intermediate_size": ffn,
        "max_position_embeddings": 2048,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": kv_heads,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "transformers_version": "4.34.1",
        "use_cache": True,
        "vocab_size": 32000,
    }
    (folder / f"{name}.config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
