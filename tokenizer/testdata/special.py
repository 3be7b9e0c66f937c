"""Writes special.json: which tokens transformers takes for BOS, EOS and PAD, by what
the files of a folder say.

    pip install transformers==5.23.0 tokenizers==0.23.3
    python special.py
"""

import itertools
import json
import os
import pathlib
import tempfile

os.environ["HF_HUB_OFFLINE"], os.environ["TRANSFORMERS_VERBOSITY"] = "1", "error"

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

here = pathlib.Path(__file__).parent


def tokenizer():
    t = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in ("<|a|>", "<|b|>", "<|c|>")])
    return json.loads(t.to_str())


def added(text):
    return {"__type": "AddedToken", "content": text, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}


def folders():
    """What tokenizer_config.json and special_tokens_map.json say, by key."""
    decoder = {"256": {k: v for k, v in {**added("<|a|>"), "special": True}.items() if k != "__type"}}
    missing = object()
    config_says = (missing, None, "<|a|>", added("<|a|>"))
    map_says = (missing, None, "<|b|>", {k: v for k, v in added("<|b|>").items() if k != "__type"})
    for says, other, with_decoder in itertools.product(config_says, map_says, (False, True)):
        config = {"tokenizer_class": "PreTrainedTokenizerFast"}
        if with_decoder:
            config["added_tokens_decoder"] = decoder
        special_map = {}
        for key in ("bos_token", "eos_token", "pad_token"):
            if says is not missing:
                config[key] = says
            if other is not missing:
                special_map[key] = other
        yield {"tokenizer_config.json": config} | ({"special_tokens_map.json": special_map} if special_map else {})
    # Each by a file of its own, and what no file says.
    yield {"tokenizer_config.json": {"bos_token": "<|a|>", "eos_token": "<|b|>"}, "special_tokens_map.json": {"eos_token": "<|c|>", "pad_token": "<|b|>"}}
    yield {"tokenizer_config.json": {"bos_token": "<|a|>", "pad_token": None}, "special_tokens_map.json": {"bos_token": None, "eos_token": "<|c|>"}}
    yield {"special_tokens_map.json": {"bos_token": "<|b|>", "pad_token": "<|a|>"}}
    yield {"tokenizer_config.json": {}}
    yield {"tokenizer_config.json": {"bos_token": "<|a|>", "added_tokens_decoder": {}}, "special_tokens_map.json": {"bos_token": "<|b|>"}}
    yield {"tokenizer_config.json": {"bos_token": "<|a|>", "eos_token": "<|b|>"}, "generation_config.json": {"eos_token_id": 258}, "added_tokens.json": {"<|c|>": 258}}


rows = []
for files in folders():
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"tokenizer.json": tokenizer(), **files}.items():
            (pathlib.Path(folder) / name).write_text(json.dumps(content))
        t = AutoTokenizer.from_pretrained(folder)
        rows.append({"files": files, "bos": t.bos_token_id, "eos": t.eos_token_id, "pad": t.pad_token_id})
(here / "special.json").write_text(json.dumps({"tokenizer": tokenizer(), "rows": rows}, ensure_ascii=False) + "\n")
