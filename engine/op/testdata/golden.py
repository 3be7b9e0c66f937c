"""Writes golden.json: inputs, outputs and gradients of each operation by PyTorch.

Run: python golden.py   (torch 2.x, transformers 5.x, CPU)

All is computed in float64 from inputs that float32 holds exactly, so that both
precisions can be tested against it. The gradients are those of sum(output *
upstream); of a scalar output, those of the output itself. Each operation is
also run in float32, by transformers' own module where it has one, and must
agree: that ties the float64 formulas to the model they are taken from.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRMSNorm, LlamaRotaryEmbedding, apply_rotary_pos_emb

generator = torch.Generator().manual_seed(1)


def random(*shape, scale=1.0):
    """Normal numbers in steps of 1/256: exact in float32 and short in JSON."""
    return (torch.randn(shape, generator=generator, dtype=torch.float64) * scale * 256).round() / 256


def case(kind, name, function, inputs, attrs=None, reference=None, no_grad=()):
    """One record; reference is the operation in float32, function if not given."""
    leaves = [
        x.clone().requires_grad_(x.is_floating_point() and key not in no_grad) for key, x in inputs.items()
    ]
    output = function(*leaves)
    upstream = random(*output.shape) if output.ndim else torch.tensor(1.0, dtype=torch.float64)
    output.backward(upstream)

    with torch.no_grad():
        single = (reference or function)(*[x.float() if x.is_floating_point() else x for x in inputs.values()])
    torch.testing.assert_close(single.double(), output, rtol=1e-5, atol=1e-5)

    arrays = []
    for key, x in zip(inputs, leaves):
        array = {"name": key, "shape": list(x.shape)}
        array["data" if x.is_floating_point() else "ids"] = x.detach().flatten().tolist()
        if x.requires_grad:
            array["grad"] = x.grad.flatten().tolist()
        arrays.append(array)
    return {
        "kind": kind,
        "name": name,
        "attrs": attrs or {},
        "inputs": arrays,
        "output": {"name": "output", "shape": list(output.shape), "data": output.detach().flatten().tolist()},
        "upstream": upstream.flatten().tolist(),
    }


def embedding():
    ids = torch.tensor([3, 0, 6, 3, 3, 5])  # repeated rows, the first and the last
    yield case("embedding", "repeated", lambda w, i: F.embedding(i, w), {"w": random(7, 5), "ids": ids})


def linear():
    def product(x, *w):
        return F.linear(x, torch.cat(w))

    for name, n, c, outputs in [("one", 5, 7, [3]), ("three", 6, 5, [4, 2, 3])]:
        inputs = {"x": random(n, c)} | {f"w{i}": random(o, c) for i, o in enumerate(outputs)}
        yield case("linear", name, product, inputs)


def rmsnorm():
    for name, n, c, eps, scale in [("odd", 5, 7, 1e-5, 1.0), ("one_row", 1, 12, 1e-6, 4.0), ("large_eps", 4, 6, 0.5, 1.0)]:

        def norm(x, w):
            return F.rms_norm(x, (c,), w, eps)

        def llama(x, w):
            module = LlamaRMSNorm(c, eps)
            module.weight.data = w
            return module(x)

        inputs = {"x": random(n, c, scale=scale), "w": 1 + random(c, scale=0.3)}
        yield case("rmsnorm", name, norm, inputs, {"eps": eps}, llama)


def tables64(t, d, base):
    """RoPE's cosines and sines in float64."""
    frequencies = base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angles = torch.outer(torch.arange(t, dtype=torch.float64), frequencies).repeat(1, 2)[None]
    return angles.cos(), angles.sin()


def tables_llama(t, d, base, h):
    """The same as transformers makes them, in float32."""
    config = LlamaConfig(
        hidden_size=h * d,
        num_attention_heads=h,
        head_dim=d,
        rope_parameters={"rope_type": "default", "rope_theta": base},
    )
    return LlamaRotaryEmbedding(config)(torch.zeros(1), torch.arange(t)[None])


def attend(qkv, b, t, h, k, d, tables, **mask):
    """Attention of packed q, k and v; mask goes to PyTorch's attention."""
    q, key, v = (x.unflatten(-1, (-1, d)).transpose(1, 2) for x in qkv.unflatten(0, (b, t)).split([h * d, k * d, k * d], -1))
    q, key = apply_rotary_pos_emb(q, key, *tables)
    out = F.scaled_dot_product_attention(q, key, v, enable_gqa=True, **mask)
    return out.transpose(1, 2).reshape(b * t, h * d)


def attention():
    for name, b, t, h, k, d, base in [
        ("mha", 2, 5, 2, 2, 4, 10000.0),
        ("gqa", 2, 7, 6, 2, 6, 10000.0),
        ("mqa", 1, 9, 3, 1, 10, 500.0),
        ("one_token", 3, 1, 2, 1, 2, 10000.0),
    ]:
        yield case(
            "attention",
            name,
            lambda qkv: attend(qkv, b, t, h, k, d, tables64(t, d, base), is_causal=True),
            {"qkv": random(b * t, (h + 2 * k) * d)},
            {"batch": b, "seq": t, "heads": h, "kv_heads": k, "head_dim": d, "rope_base": base},
            lambda qkv: attend(qkv, b, t, h, k, d, tables_llama(t, d, base, h), is_causal=True),
        )


def masked_attention():
    """Sequences of whole documents: the mask is a block of each, below the diagonal."""
    for name, lengths, h, k, d, base in [
        ("documents", [[3, 1, 4], [8]], 4, 2, 6, 10000.0),
        ("one_token_documents", [[1, 1, 1]], 2, 1, 4, 500.0),
    ]:
        b, t = len(lengths), sum(lengths[0])
        mask = torch.stack([torch.block_diag(*[torch.ones(n, n) for n in row]) for row in lengths]).bool().tril()[:, None]
        starts = torch.tensor([sum(row[:i]) for row in lengths for i, n in enumerate(row) for _ in range(n)])
        yield case(
            "attention",
            name,
            lambda qkv, _: attend(qkv, b, t, h, k, d, tables64(t, d, base), attn_mask=mask),
            {"qkv": random(b * t, (h + 2 * k) * d), "starts": starts},
            {"batch": b, "seq": t, "heads": h, "kv_heads": k, "head_dim": d, "rope_base": base},
            lambda qkv, _: attend(qkv, b, t, h, k, d, tables_llama(t, d, base, h), attn_mask=mask),
        )


def elementwise():
    def swiglu(x):
        gate, up = x.chunk(2, -1)
        return F.silu(gate) * up

    yield case("swiglu", "odd", swiglu, {"x": random(5, 14)})
    yield case("swiglu", "saturated", swiglu, {"x": random(3, 10, scale=20)})
    # The gradient at zero is zero, as in PyTorch.
    x = random(5, 7)
    x[0, :3] = 0
    yield case("relu", "with_zeros", F.relu, {"x": x})
    yield case("add", "odd", torch.add, {"a": random(3, 5), "b": random(3, 5)})


def through(y, x):
    """y with the gradient of x: straight-through (Bengio et al., 2013)."""
    return x + (y - x).detach()


def even(x):
    return through(x.round(), x)


def min_max(x, bits, scheme):
    """LLM-QAT's formulas and compressed-tensors'; the gradient is straight-through."""
    high = 2 ** (bits - 1) - 1
    if scheme == 0:  # symmetric
        s = high / (x.abs().amax(-1, keepdim=True) + 1e-6)
        y = (x * s).round() / (s + 1e-6)
    elif scheme == 1:  # asymmetric
        least = x.amin(-1, keepdim=True)
        span = x.amax(-1, keepdim=True) - least + 1e-8
        y = ((x - least) / span * (2**bits - 1)).round() / (2**bits - 1) * span + least
    else:  # compressed-tensors
        s = x.abs().amax(-1, keepdim=True) / (high + 0.5)
        y = (x / s).round().clamp(-high - 1, high) * s
    return through(y, x)


def binary(x, scaled):
    """The sign, of a weight times its row's mean size; the gradient of clip(x, -1, 1)."""
    y = torch.where(x < 0, -1.0, 1.0)
    if scaled:
        y = y * x.abs().mean(-1, keepdim=True)
    return through(y, x.clamp(-1, 1))


def scaled_gradient(alpha, by):
    return (alpha - alpha * by).detach() + alpha * by


def lsq(w, alpha, bits):
    """Esser et al., 2020, equations 1 to 3; in 1 bit as ParetoQ."""
    low, high = (-1, 1) if bits == 1 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    a = scaled_gradient(alpha, (w.numel() * high) ** -0.5)[:, None]
    if bits == 1:
        ratio = w / a.detach()
        return a * torch.where(w < 0, -1.0, 1.0) + a.detach() * (ratio.clamp(-1, 1) - ratio.clamp(-1, 1).detach())
    return a * even((w / a).clamp(low, high))


def seq(w, alpha, bits):
    """ParetoQ's stretched elastic quantiser; 1.58 bits are three values."""
    levels, shift = (1.5, 0) if bits == 1.58 else (2 ** (bits - 1), 0.5)
    high = 1 if bits == 1.58 else 2 ** (bits - 1) - 1
    a = scaled_gradient(alpha, (w.numel() * high) ** -0.5)[:, None]
    return a * (even((w / a).clamp(-0.99, 0.99) * levels - shift) + shift) / levels


def quantizers():
    for scheme in range(3):
        for bits in (8,) if scheme else (8, 4, 3, 2):
            yield case("quantize", f"minmax_{scheme}_{bits}", lambda x: min_max(x, bits, scheme), {"x": random(5, 12)}, {"method": 0, "bits": bits, "scheme": scheme})
    for scaled in (0, 1):
        x = random(4, 9, scale=1.2)
        x[1, 3] = 0
        yield case("quantize", f"sign_{scaled}", lambda x: binary(x, scaled), {"x": x}, {"method": 3, "bits": 1, "scaled": scaled})
    for method, function, sizes in (1, lsq, (8, 4, 3, 2, 1)), (2, seq, (4, 3, 2, 1.58)):
        for bits in sizes:
            w = random(6, 11)
            alpha = (w.abs().mean(-1) * 256).round() / 256
            if method == 1 and bits > 2:
                alpha = alpha / 2 ** (bits - 2)
            yield case("learnedquantize", f"{function.__name__}_{bits}", lambda w, a: function(w, a, bits), {"w": w, "alpha": alpha}, {"method": method, "bits": bits})


def head_loss():
    def loss(x, w, targets, scale):
        return F.cross_entropy(F.linear(x, w), targets, ignore_index=-1, reduction="sum") * scale

    for name, n, c, v, targets, scale in [
        ("all", 5, 6, 11, [0, 10, 4, 4, 7], 0.25),
        ("some", 7, 5, 9, [3, -1, 8, 0, -1, 3, -1], 0.25),
    ]:
        inputs = {
            "x": random(n, c, scale=2),
            "w": random(v, c),
            "targets": torch.tensor(targets),
            "scale": torch.tensor(scale, dtype=torch.float64),
        }
        yield case("headloss", name, loss, inputs, no_grad=("scale",))


def head_z_loss():
    def loss(x, w, targets, scale):
        logits = F.linear(x, w)
        z = torch.logsumexp(logits, -1)[targets >= 0].square().sum()
        return (F.cross_entropy(logits, targets, ignore_index=-1, reduction="sum") + 0.25 * z) * scale

    inputs = {"x": random(6, 5, scale=2), "w": random(9, 5), "targets": torch.tensor([3, -1, 8, 0, -1, 3]), "scale": torch.tensor(0.25, dtype=torch.float64)}
    yield case("headzloss", "some", loss, inputs, {"z": 0.25}, no_grad=("scale",))


if __name__ == "__main__":
    torch.set_num_threads(1)
    records = [r for cases in (embedding, linear, rmsnorm, attention, elementwise, head_loss, masked_attention, quantizers, head_z_loss) for r in cases()]
    path = pathlib.Path(__file__).with_name("golden.json")
    path.write_text("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in records) + "\n]\n")
    print(f"{len(records)} cases, {path.stat().st_size} bytes")
