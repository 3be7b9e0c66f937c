"""Writes folders whose tensors have the names that PyTorch's wrappers and the base
model give them, and cases.json, the logits of the model in each.

  python golden.py
"""

import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).parent

IDS = [(i * i * 3 + i) % 16 for i in range(24)]


def fill(name, tensor):
    """Of each name another; exact in bfloat16. The Go test repeats it."""
    k = torch.arange(tensor.numel()) * 7 + sum(name.encode())
    return ((k * k % 61) / 64 - 0.46875).reshape(tensor.shape)


def model(tied):
    m = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, rms_norm_eps=1e-5, rope_theta=50000.0, max_position_embeddings=64, tie_word_embeddings=tied,
        )
    )
    with torch.no_grad():
        for name, parameter in m.named_parameters():
            parameter.copy_(fill(name, parameter))
    return m


class Trainer(torch.nn.Module):
    """As training libraries hold a model in a class of their own."""

    def __init__(self, model):
        super().__init__()
        self.model = model


def compiled_layers(m):
    for i, layer in enumerate(m.model.layers):
        m.model.layers[i] = torch.compile(layer)
    return m


def halved(state):
    return {name: t.clone().bfloat16() if t.is_floating_point() else t for name, t in state.items()}


def save(folder, m, wrapped, write):
    shutil.rmtree(folder, ignore_errors=True)
    m.config.save_pretrained(folder)
    write(folder, halved(wrapped.state_dict()))


def safetensors(folder, state):
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def shards(folder, state):
    names = sorted(state)
    weight_map = {}
    for i, part in enumerate((names[:7], names[7:])):
        file = f"model-{i + 1:05d}-of-00002.safetensors"
        save_file({name: state[name] for name in part}, folder / file)
        weight_map.update(dict.fromkeys(part, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}, indent=2) + "\n")


def pickle(folder, state):
    torch.save(state, folder / "pytorch_model.bin")


def main():
    parallel = torch.nn.DataParallel
    for name, tied, wrap, write in [
        ("base", True, lambda m: m.model, safetensors),
        ("base-parallel", True, lambda m: parallel(m.model), pickle),
        ("compiled", False, torch.compile, safetensors),
        ("compiled-layers", False, compiled_layers, safetensors),
        ("parallel", False, lambda m: parallel(torch.compile(m)), pickle),
        ("averaged", False, torch.optim.swa_utils.AveragedModel, pickle),
        ("trainer", False, lambda m: torch.compile(Trainer(m)), shards),
    ]:
        m = model(tied)
        save(here / name, m, wrap(m), write)
    cases = {}
    for folder in sorted(p for p in here.iterdir() if p.is_dir()):
        m = model(json.loads((folder / "config.json").read_text())["tie_word_embeddings"])
        if folder.name == "base":  # which transformers itself reads
            m = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        with torch.no_grad():
            cases[folder.name] = m(torch.tensor([IDS])).logits[0, -1].tolist()
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(logits)}" for name, logits in cases.items())
    (here / "cases.json").write_text(f'{{"ids": {IDS},\n"logits": {{\n{rows}\n}}}}\n')


main()
