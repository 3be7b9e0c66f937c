"""Write the .bin files of this folder with torch.save, and torch.json with what
torch reads in them.

python3 golden.py
"""

import collections
import json
import os
import pathlib
import pickle

import torch

HERE = pathlib.Path(__file__).parent


class Malicious:
    """Unpickling this with Python's own reader runs a command."""

    def __reduce__(self):
        return (os.system, ("touch executed",))


def values(*shape):
    n = int(torch.tensor(shape).prod()) if shape else 1
    return (torch.arange(n, dtype=torch.float32) * 7 % 64 / 64 - 0.5).reshape(shape)


def main():
    base = values(6, 4)
    good = collections.OrderedDict(
        f32=base,
        bf16=values(3, 5).bfloat16(),
        f16=values(2, 3, 4).half(),
        scalar=values(),
        empty=values(0, 4),
        transposed=base.t(),
        row=base[2],
        block=base[1:3, 1:3],
        column=base[:, 3],
        ids=torch.arange(5),
        parameter=torch.nn.Parameter(values(4)),
    )
    torch.save(good, HERE / "good.bin")
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(values(*p.shape))
    torch.save(module.state_dict(), HERE / "module.bin")
    expected = {
        "good.bin": {k: {"shape": list(v.shape), "data": v.detach().float().flatten().tolist()} for k, v in good.items()},
        "module.bin": {k: {"shape": list(v.shape), "data": v.flatten().tolist()} for k, v in module.state_dict().items()},
    }
    (HERE / "torch.json").write_text(json.dumps(expected) + "\n")

    torch.save({"a": Malicious()}, HERE / "malicious.bin")
    torch.save({"a": values(2)}, HERE / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save([values(2)], HERE / "list.bin")
    torch.save({"a": {"b": values(2)}}, HERE / "nested.bin")
    torch.save(module, HERE / "module-object.bin")
    torch.save({"a": values(1).expand(1 << 30)}, HERE / "expanded.bin")


if __name__ == "__main__":
    main()
