"""Makes and checks this folder's models with Hugging Face's transformers.

  python golden.py         writes hf-llama (one file) and hf-sharded (three), and
                           torch and torch-sharded, the same in pytorch_model.bin
  python golden.py check   loads go-llama, which the Go test holds to the byte,
                           compares every weight, and sees that stock
                           transformers refuses go-shared
"""

import json
import pathlib
import shutil
import sys

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).parent


def fill(name, tensor):
    """The Go test repeats this; the values are exact in every type."""
    k = torch.arange(tensor.numel()) * 7 + len(name)
    return ((k % 64) / 64 - 0.5).reshape(tensor.shape)


def model(**more):
    m = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, rms_norm_eps=1e-5, rope_theta=50000.0, max_position_embeddings=64, **more,
        )
    )
    with torch.no_grad():
        for name, parameter in m.named_parameters():
            parameter.copy_(fill(name, parameter))
    return m


def make():
    for name in ("hf-llama", "hf-sharded"):
        shutil.rmtree(here / name, ignore_errors=True)
    model(tie_word_embeddings=True).save_pretrained(here / "hf-llama")
    model(tie_word_embeddings=False).to(torch.bfloat16).save_pretrained(here / "hf-sharded", max_shard_size="1KB")
    for name in ("hf-llama", "hf-sharded"):
        (here / name / "generation_config.json").unlink()


    for name, tied in (("torch", True), ("torch-sharded", False)):
        shutil.rmtree(here / name, ignore_errors=True)
        (here / name).mkdir()
        m = model(tie_word_embeddings=tied)
        m.config.save_pretrained(here / name)
        state = m.state_dict()  # a tied head is there too, as the same tensor
        if tied:
            torch.save(state, here / name / "pytorch_model.bin")
            continue
        index = {"metadata": {"total_size": 4 * sum(t.numel() for t in state.values())}, "weight_map": {}}
        names = list(state)
        for i, part in enumerate((names[:9], names[9:])):
            file = f"pytorch_model-{i + 1:05d}-of-00002.bin"
            torch.save({name: state[name] for name in part}, here / name / file)
            index["weight_map"].update(dict.fromkeys(part, file))
        (here / name / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


def check():
    for tied in (True, False):
        folder = here / ("go-llama" if tied else "go-untied")
        m = AutoModelForCausalLM.from_pretrained(folder)
        assert type(m) is LlamaForCausalLM
        assert m.lm_head.weight.data_ptr() == m.model.embed_tokens.weight.data_ptr() if tied else True
        c = m.config
        assert (c.bos_token_id, c.eos_token_id, c.head_dim, c.num_key_value_heads) == (1, 2, 4, 1), c
        assert c.rope_parameters["rope_theta"] == 50000.0, c.rope_parameters
        assert m.dtype == (torch.float32 if tied else torch.bfloat16), m.dtype
        for name, parameter in m.named_parameters():
            assert torch.equal(parameter.float(), fill(name, parameter)), name
        # The rotary base reached the model, not only its config.
        want = model(tie_word_embeddings=tied).to(m.dtype)
        ids = torch.arange(16)[None] % 16
        assert torch.equal(m(ids).logits, want(ids).logits)
        print(folder.name + ": as expected")
    try:
        AutoModelForCausalLM.from_pretrained(here / "go-shared")
    except ValueError as error:
        assert "mobilellm" in str(error), error
        print("go-shared: refused, as it should be")
    else:
        raise SystemExit("go-shared was opened as something else")
    sharing = json.loads((here / "go-shared" / "config.json").read_text())["layer_sharing"]
    assert sharing == {"strategy": "reverse", "repeat": 3}, sharing


check() if sys.argv[1:] == ["check"] else make()
