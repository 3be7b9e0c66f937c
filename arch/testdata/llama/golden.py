"""Writes NAME.json and NAME.bin for each case: a two-layer LLaMA, or Qwen3, by transformers.

Run: python golden.py   (torch 2.x, transformers 5.x, CPU)

Each case holds a model's config, its initial parameters, ten batches of tokens
and targets, the logits, loss and gradients of batch 0 at those parameters, and
ten training losses of AdamW, step i on batch i. A shared layer is the same
module called more than once, so autograd sums the gradients of its calls.

NAME.json is the metadata. NAME.bin is little-endian float32, all arrays end to
end; the metadata gives each one's offset in elements. A target of -1 is not
supervised: the loss is the mean over the others.

Weights are drawn wide enough for the logits to tell the tokens apart, and norm
weights differ from 1, so that a swapped or forgotten one shows.

Adam's first update is the sign of the gradient, so an element whose gradient is
as small as rounding makes the later losses a matter of luck. A case takes the
first seed at which other roundings lead to the same losses within DRIFT.
"""

import copy
import itertools
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

STEPS, BATCH, SEQ = 10, 2, 12
UNSUPERVISED = -1
WEIGHT_STD = 0.2  # about 1/sqrt(dim): ten times wider than training starts with
DRIFT = 2e-6
OPTIM = {"name": "adamw", "lr": 1e-2, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.1, "clip": 1.0}

BASE = {
    "vocab_size": 97,
    "layers": 2,
    "dim": 24,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 6,
    "ffn_dim": 40,
    "norm_eps": 1e-5,
    "rope_base": 10000.0,
    "share_embedding": True,
    "sharing": "none",
    "repeat": 1,
    "qk_norm": False,
}

CASES = {
    "tied_gqa": {},
    # heads that together are wider than the model, as head_dim allows
    "untied_mha": {"share_embedding": False, "kv_heads": 4, "head_dim": 8},
    "tied_mha": {"kv_heads": 4},
    "untied_gqa": {"share_embedding": False, "rope_base": 500.0},
    "immediate": {"sharing": "immediate", "repeat": 2},
    "repeat_all_over": {"sharing": "repeat_all_over", "repeat": 2},
    "reverse": {"sharing": "reverse", "repeat": 2},
    "qk_norm": {"qk_norm": True, "head_dim": 8},
}


def schedule(config):
    """The weight layers in the order in which they run."""
    layers, repeat = range(config["layers"]), config["repeat"]
    match config["sharing"]:
        case "none" | "repeat_all_over":
            return [i for _ in range(repeat) for i in layers]
        case "immediate":
            return [i for i in layers for _ in range(repeat)]
        case "reverse":
            return [i for r in range(repeat) for i in (layers if r % 2 == 0 else reversed(layers))]


def llama(config, seq, attention):
    """The untrained model, before its layers repeat."""
    model, shape = (Qwen3ForCausalLM, Qwen3Config) if config["qk_norm"] else (LlamaForCausalLM, LlamaConfig)
    return model(
        shape(
            vocab_size=config["vocab_size"],
            hidden_size=config["dim"],
            intermediate_size=config["ffn_dim"],
            num_hidden_layers=config["layers"],
            num_attention_heads=config["heads"],
            num_key_value_heads=config["kv_heads"],
            head_dim=config["head_dim"],
            rms_norm_eps=config["norm_eps"],
            rope_parameters={"rope_type": "default", "rope_theta": config["rope_base"]},
            tie_word_embeddings=config["share_embedding"],
            max_position_embeddings=seq,
            use_cache=False,
            attn_implementation=attention,
        )
    )


def build(config, generator):
    """The model, and its parameters by the names of its weight layers."""
    model = llama(config, SEQ, "eager")
    params = dict(model.named_parameters())
    assert ("lm_head.weight" in params) != config["share_embedding"]
    with torch.no_grad():
        for p in params.values():
            if p.ndim == 1:
                p.uniform_(0.5, 1.5, generator=generator)
            else:
                p.normal_(0, WEIGHT_STD, generator=generator)
    # The names are taken: now the layers may repeat.
    order = schedule(config)
    model.model.layers = torch.nn.ModuleList(model.model.layers[i] for i in order)
    model.config.num_hidden_layers = len(order)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in params.values())
    return model, params


def cross_entropy(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=UNSUPERVISED)


def train(model, params, batches):
    """Losses and unclipped gradient norms of one update on each batch."""
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in params if p.ndim > 1], "weight_decay": OPTIM["weight_decay"]},
            {"params": [p for p in params if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=OPTIM["lr"],
        betas=tuple(OPTIM["betas"]),
        eps=OPTIM["eps"],
    )
    losses, norms = [], []
    for tokens, targets in batches:
        optimizer.zero_grad()
        loss = cross_entropy(model(input_ids=tokens).logits, targets)
        loss.backward()
        norms.append(clip_grad_norm_(params, OPTIM["clip"]).item())
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


def draw_batches(vocab, generator):
    """Two batches in turn, so that the loss falls and a mixed-up batch shows."""
    pair = []
    for _ in range(2):
        text = torch.randint(0, vocab, (BATCH, SEQ + 1), generator=generator)
        tokens, targets = text[:, :-1].contiguous(), text[:, 1:].clone()
        targets[torch.rand(targets.shape, generator=generator) < 0.15] = UNSUPERVISED
        pair.append((tokens, targets))
    return [pair[step % 2] for step in range(STEPS)]


def drift(model, batches, losses, generator):
    """How far the losses move when computed, and perturbed, in double precision."""
    worst = 0
    for relative in (0, 1e-7, 1e-7):
        twin = copy.deepcopy(model).double()
        with torch.no_grad():
            for p in twin.parameters():
                p.mul_(1 + relative * torch.randn(p.shape, generator=generator))
        others, _ = train(twin, list(twin.parameters()), batches)
        worst = max(worst, *(abs(a - b) for a, b in zip(losses, others)))
    return worst


def draw(config):
    """The model, parameters, batches, losses and norms of the first steady seed."""
    for seed in itertools.count(1):
        generator = torch.Generator().manual_seed(seed)
        model, params = build(config, generator)
        batches = draw_batches(config["vocab_size"], generator)
        trained = copy.deepcopy(model)
        losses, norms = train(trained, list(trained.parameters()), batches)
        d = drift(model, batches, losses, generator)
        print(f"seed {seed}: drift {d:.1e}")
        if d < DRIFT:
            return model, params, batches, losses, norms


def write(name, overrides):
    config = BASE | overrides
    model, params, batches, losses, norms = draw(config)
    tensors, arrays, offset = [], [], 0

    def store(kind, key, value):
        nonlocal offset
        tensors.append({"kind": kind, "name": key, "shape": list(value.shape), "offset": offset})
        arrays.append(value.detach().numpy().astype("<f4", order="C").ravel())
        offset += value.numel()

    tokens, targets = batches[0]
    logits = model(input_ids=tokens).logits
    loss = cross_entropy(logits, targets)
    loss.backward()
    for key, p in params.items():
        store("param", key, p)
    for key, p in params.items():
        assert p.grad.abs().max() > 0, key
        store("grad", key, p.grad)
    store("logits", "logits", logits)
    assert logits.std() > 1, logits.std()
    blob = np.concatenate(arrays).tobytes()

    assert losses[0] == loss.item() and losses[-1] < losses[0] - 1
    assert min(norms) > 0 and max(norms) > OPTIM["clip"], norms

    meta = {
        "name": name,
        "config": config,
        "optim": OPTIM,
        "batch": BATCH,
        "seq": SEQ,
        "batches": [{"tokens": t.flatten().tolist(), "targets": y.flatten().tolist()} for t, y in batches],
        "loss": loss.item(),
        "losses": losses,
        "grad_norms": norms,
        "tensors": tensors,
    }
    here = pathlib.Path(__file__).parent
    (here / f"{name}.bin").write_bytes(blob)
    lines = [f'"{k}": {json.dumps(v)}' for k, v in meta.items()]
    (here / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{name}: {offset} floats, logits ±{logits.std():.2f}, losses {losses[0]:.4f}..{losses[-1]:.4f},"
          f" norms {min(norms):.2f}..{max(norms):.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for case, change in CASES.items():
        write(case, change)
