"""Writes long.json: how many ids the SentencePiece library gives a long text with each BPE model
of this folder, and their CRC-32. The text is data/testdata/text.txt.gz, its rows joined with blank
lines as MobileLLM's eval.py joins WikiText's.

    pip install sentencepiece==0.2.3 protobuf
    python long.py
"""

import array
import gzip
import json
import pathlib
import zlib

import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb

here = pathlib.Path(__file__).parent
rows = gzip.decompress((here.parents[2] / "data" / "testdata" / "text.txt.gz").read_bytes()).decode().splitlines(keepends=True)
text = "\n\n".join("" if not row.strip() else row for row in rows)
golden = {"bytes": len(text.encode()), "models": {}}
for path in sorted(here.glob("*.model.gz")):
    model = gzip.decompress(path.read_bytes())
    if pb.ModelProto.FromString(model).trainer_spec.model_type != pb.TrainerSpec.BPE:
        continue
    ids = spm.SentencePieceProcessor(model_proto=model).encode(text)
    little = array.array("i", ids)
    golden["models"][path.name.removesuffix(".model.gz")] = {"ids": len(ids), "crc32": zlib.crc32(little.tobytes())}
(here / "long.json").write_text(json.dumps(golden, indent=1) + "\n")
