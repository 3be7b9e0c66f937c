"""Makes and checks this folder's files with Python's safetensors and torch.

  python golden.py         writes python.safetensors, rounding.json and headers.json
  python golden.py check   loads go.safetensors, which the Go test holds
                           to the byte, and compares its tensors
"""

import json
import pathlib
import random
import struct
import sys
import tempfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

here = pathlib.Path(__file__).parent


def ramp(*shape):
    """k/8 − 3, exact in all three types; the Go test repeats it."""
    n = 1
    for d in shape:
        n *= d
    return (torch.arange(n, dtype=torch.float32) / 8 - 3).reshape(shape)


A = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
B = '"b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}'

# Headers that other writers might make, each of a file with so many bytes of data.
HEADERS = [
    *((pad.join(["", "{" + A + "}", after]), 8) for pad in ["", " ", "\n", "\t", "\r", "\n\t  ", "\r\n"] for after in ["", "\n "]),
    *(("{" + A + "}" + pad, 8) for pad in ["\n", "\t\t", "\r\n", "\0", "\v", "\f", "\u00a0", "\ufeff", " x", "{}"]),
    *((pad + "{" + A + "}", 8) for pad in ["\0", "\ufeff", "x"]),
    (json.dumps(json.loads("{" + A + "," + B + "}"), indent=1) + "\n\t  ", 10),
    ("{" + B + " ,\n" + A + "}", 10),
    ('{"__metadata__":null,' + A + "}", 8),
    ("{" + A + ',"__metadata__":{}}', 8),
    ('{"__metadata__":{"a":1},' + A + "}", 8),
    ('{"__metadata__":{"a":null},' + A + "}", 8),
    ('{"__metadata__":[],' + A + "}", 8),
    ('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"of":{"a":[1,{}]}}}', 8),
    ('{"a":{"more":null,"data_offsets":[0,8],"shape":[2],"dtype":"F32"}}', 8),
    ('{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    ('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"of":}}', 8),
    ("{" + A + ",}", 8),
    ("{}", 0),
    ("null", 0),
    ("[]", 0),
]


def opened(folder, header, size):
    """The names in a file of that header, None where it is refused."""
    path = pathlib.Path(folder) / "headers.safetensors"
    raw = header.encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(size))
    try:
        with safe_open(path, "pt") as f:
            return sorted(f.keys())
    except SafetensorError:
        return None


def make():
    with tempfile.TemporaryDirectory() as folder:
        rows = [json.dumps([header, size, opened(folder, header, size)]) for header, size in HEADERS]
    (here / "headers.json").write_text("[\n" + ",\n".join(rows) + "\n]\n")
    save_file(
        {
            "model.embed_tokens.weight": ramp(5, 4),
            "half": ramp(3, 3).half(),
            "brain": ramp(7).bfloat16(),
            "scalar": torch.tensor(0.5),
            "empty": torch.zeros(0, 3),
            "ids": torch.arange(4),
            "naïve \"name\"": ramp(1),
        },
        here / "python.safetensors",
        metadata={"format": "pt", "by": "python"},
    )
    random.seed(1)
    bits = [random.getrandbits(32) for _ in range(400)]
    # Around every power of two that matters, ties and their neighbours.
    for exponent in [0, 1, 87, 100, 101, 102, 103, 104, 105, 111, 112, 113, 126, 127, 141, 142, 143, 254, 255]:
        for mantissa in [0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000, 0x8001, 0x17FFF, 0x18000, 0x18001, 0x7FE000, 0x7FEFFF, 0x7FF000, 0x7FFFFF]:
            bits.append(exponent << 23 | mantissa)
            bits.append(1 << 31 | exponent << 23 | mantissa)
    x = torch.tensor([struct.unpack("<f", struct.pack("<I", b))[0] for b in bits], dtype=torch.float32)
    keep = ~x.isnan()  # a NaN's payload is not defined by the format
    x = x[keep]
    rows = zip(
        (x.view(torch.int32).to(torch.int64) & 0xFFFFFFFF).tolist(),
        (x.bfloat16().view(torch.int16).to(torch.int32) & 0xFFFF).tolist(),
        (x.half().view(torch.int16).to(torch.int32) & 0xFFFF).tolist(),
    )
    (here / "rounding.json").write_text(json.dumps([list(r) for r in rows], separators=(",", ":")) + "\n")


def check():
    path = here / "go.safetensors"
    with safe_open(path, "pt") as f:
        assert f.metadata() == {"format": "pt", "by": "go"}, f.metadata()
    got = load_file(path)
    want = {
        "model.embed_tokens.weight": ramp(5, 4),
        "brain": ramp(7).bfloat16(),
        "half": ramp(3, 3).half(),
        "scalar": torch.tensor(0.5),
        "empty": torch.zeros(0, 3),
        "<last> & \"name\"": ramp(2, 1, 2),
    }
    assert sorted(got) == sorted(want), sorted(got)
    for name, tensor in want.items():
        assert got[name].dtype == tensor.dtype and got[name].shape == tensor.shape, name
        assert torch.equal(got[name], tensor), name
    print("go.safetensors: as expected")


check() if sys.argv[1:] == ["check"] else make()
