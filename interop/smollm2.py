"""Turn the GGUF of SmolLM2-135M-Instruct into a Hugging Face folder of float32.

    python smollm2.py FILE.gguf FOLDER

transformers reads the tokenizer, and would read the weights too, but wants
another package for that; gguf, llama.cpp's own, takes them out of their 4 bits.
"""

import json
import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import gguf
import torch
import transformers

transformers.logging.disable_progress_bar()

NAMES = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}


def config_of(reader):
    def value(key):
        return reader.fields[key].contents()

    def llama(key):
        return value("llama." + key)

    return transformers.LlamaConfig(
        vocab_size=llama("vocab_size"), hidden_size=llama("embedding_length"), intermediate_size=llama("feed_forward_length"),
        num_hidden_layers=llama("block_count"), num_attention_heads=llama("attention.head_count"), num_key_value_heads=llama("attention.head_count_kv"),
        max_position_embeddings=llama("context_length"), rms_norm_eps=round(llama("attention.layer_norm_rms_epsilon"), 9),
        rope_parameters={"rope_type": "default", "rope_theta": llama("rope.freq_base")}, tie_word_embeddings=True,
        bos_token_id=value("tokenizer.ggml.bos_token_id"), eos_token_id=value("tokenizer.ggml.eos_token_id"), pad_token_id=value("tokenizer.ggml.padding_token_id"))


def weights(reader, config):
    """The tensors by their names in transformers, which keeps the halves of a
    head one behind the other where llama.cpp keeps pairs."""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for tensor in reader.tensors:
        name, block = tensor.name.removesuffix(".weight"), ""
        if name.startswith("blk."):
            _, number, name = name.split(".")
            block = f"model.layers.{number}."
        w = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
        if name in heads:
            w = w.view(heads[name], -1, 2, w.shape[1]).transpose(1, 2).reshape(w.shape)
        yield f"{block}{NAMES[name]}.weight", w


def restore_digits(path):
    """Put back the pre-tokenizer that the GGUF's `smollm` stands for.

    transformers makes GPT-2's of every one. SmolLM's takes digits out first, one
    by one, so that blanks before a number are one word.
    """
    file = json.loads(path.read_text())
    level = file["pre_tokenizer"]
    assert level["type"] == "ByteLevel" and level["use_regex"], level
    file["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]}
    path.write_text(json.dumps(file, ensure_ascii=False, indent=2))


def main():
    source, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    reader = gguf.GGUFReader(source)
    config = config_of(reader)
    model = transformers.LlamaForCausalLM(config)
    wanting = model.load_state_dict(dict(weights(reader, config)), strict=False)
    assert wanting.missing_keys == ["lm_head.weight"] and not wanting.unexpected_keys, wanting
    model.tie_weights()
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)
    restore_digits(folder / "tokenizer.json")


if __name__ == "__main__":
    main()
