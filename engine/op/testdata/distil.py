"""Writes distil.json: the distillation loss of a small model and its gradients by PyTorch.

Run: python distil.py   (torch 2.x, CPU)

The student is an embedding, an RMSNorm and an output head, which is the
embedding itself where it is tied. The loss of a supervised token is

    alpha * cross_entropy(z, target)
    + (1 - alpha) * temperature**2 * cross_entropy(z / temperature, p)

with p the teacher's distribution at that temperature: of all its logits, or of
its k largest log-probabilities scaled to sum to 1. All in float64 from inputs
that float32 holds exactly.
"""

import itertools
import json
import pathlib

import torch
import torch.nn.functional as F

generator = torch.Generator().manual_seed(7)
N, C, E, V, K = 6, 5, 7, 11, 4


def exact(x):
    """Steps of 1/256: exact in float32 and short in JSON."""
    return (x * 256).round() / 256


def random(*shape, scale=1.0):
    return exact(torch.randn(shape, generator=generator, dtype=torch.float64) * scale)


def array(name, x, grad=None):
    a = {"name": name, "shape": list(x.shape)}
    a["data" if x.is_floating_point() else "ids"] = x.detach().flatten().tolist()
    if grad is not None:
        a["grad"] = grad.flatten().tolist()
    return a


def case(top, tied, alpha, temperature):
    weights = {"embed": random(V, C), "norm": 1 + random(C, scale=0.3)}
    if not tied:
        weights["head"] = random(V, C)
    for w in weights.values():
        w.requires_grad_()
    tokens = torch.randint(V, (N,), generator=generator)
    targets = torch.tensor([3, -1, 10, 0, 3, -1])
    scale = torch.tensor(0.25, dtype=torch.float64)
    hidden, head = random(N, E), random(V, E)

    teacher = F.linear(hidden, head)
    if top:
        logp, ids = F.log_softmax(teacher, -1).topk(K)
        logp = exact(logp)
        p = torch.zeros_like(teacher).scatter(1, ids, F.softmax(logp / temperature, -1))
        extra = [array("ids", ids.flatten()), array("logp", logp)]
    else:
        p = F.softmax(teacher / temperature, -1)
        extra = [array("hidden", hidden), array("teacher", head)]

    x = F.rms_norm(F.embedding(tokens, weights["embed"]), (C,), weights["norm"], 1e-5)
    z = F.linear(x, weights["embed" if tied else "head"])
    on = targets >= 0
    hard = F.cross_entropy(z[on], targets[on], reduction="sum")
    soft = F.cross_entropy(z[on] / temperature, p[on], reduction="sum")
    loss = scale * (alpha * hard + (1 - alpha) * temperature**2 * soft)
    loss.backward()
    inputs = [array(k, w, w.grad) for k, w in weights.items()]
    inputs += [array("tokens", tokens), array("targets", targets), array("scale", scale)] + extra
    return {
        "kind": "distiltoploss" if top else "distilloss",
        "name": f"{'tied' if tied else 'untied'}, alpha {alpha}, temperature {temperature}",
        "attrs": {"alpha": alpha, "temperature": temperature, "label": (scale * hard).item()},
        "inputs": inputs,
        "output": {"name": "output", "shape": [], "data": [loss.item()]},
        "upstream": [1.0],
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    records = [case(*c) for c in itertools.product([False, True], [False, True], [0, 0.5, 1], [1, 2])]
    path = pathlib.Path(__file__).with_name("distil.json")
    path.write_text("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in records) + "\n]\n")
    print(f"{len(records)} cases, {path.stat().st_size} bytes")
