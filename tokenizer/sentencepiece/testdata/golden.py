"""Writes the models and golden.json of this folder with the SentencePiece library.

    pip install sentencepiece==0.2.3 protobuf
    go test .. -run TestTrain -update
    python golden.py [LLAMA_TOKENIZER_MODEL]

With LLaMA's tokenizer.model it also writes llama.json.
"""

import base64
import gzip
import io
import json
import pathlib
import random
import sys

import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb

here = pathlib.Path(__file__).parent
corpus = (here.parent.parent / "bpe" / "testdata" / "sample.txt").read_text().splitlines()

LANGUAGES = [
    "Hello world, how are you?", "Привет, как дела?", "你好，世界。今天天气怎么样？", "こんにちは世界、元気ですか",
    "안녕하세요 세계", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก", "Γειά σου Κόσμε",
    "Xin chào thế giới", "Cześć świecie, zażółć gęślą jaźń", "Merhaba dünya İıŞşĞğ", "Olá mundo, ação",
    "Grüße, Straße, ÄÖÜß", "বাংলা ভাষা", "தமிழ் மொழி", "ქართული ენა", "Հայերեն լեզու", "አማርኛ", "Íslenska þæð",
    "ﬁ ﬀ ½ ① ㍿ Ａｂｃ １２３ ｶﾞ", "e\u0301 é n\u0303 ñ", "🙂👨‍👩‍👧‍👦🇫🇷👍🏽",
    "\x00\x01\x02\x1f\x7f\u0085\u200b\u200d\ufeff\u00a0\u3000\u2028", "<s></s><unk> ▁ ▁▁ <0x41> <sep>q 日本",
]


def train(**options):
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 3 + LANGUAGES * 3), model_writer=out, minloglevel=2, **{"model_type": "bpe", **options})
    model = pb.ModelProto()
    model.ParseFromString(out.getvalue())
    return model


def models():
    yield "nfkc", train(vocab_size=600)
    small = dict(normalization_rule_name="identity", byte_fallback=True, vocab_size=700)
    user = train(user_defined_symbols=["<sep>", "ab", "the ", "▁x", "日本"], control_symbols=["<c>", "q"], **small)
    yield "user", user
    unused = train(**small)
    for i, piece in enumerate(unused.pieces):
        if piece.type == 1 and i % 5 == 0 and len(piece.piece) > 1:
            piece.type = 5
    yield "unused", unused
    suffix = train(treat_whitespace_as_suffix=True, remove_extra_whitespaces=False, **small)
    for piece in suffix.pieces:  # many equal scores
        piece.score = float(int(piece.score) // 20)
    yield "suffix", suffix
    plain = train(normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
                  vocab_size=500, character_coverage=0.98)
    yield "plain", plain
    bare = train(remove_extra_whitespaces=False, **small)
    bare.normalizer_spec.escape_whitespaces = False
    for piece in bare.pieces:
        piece.piece = piece.piece.replace("▁", " ")
    yield "unescaped", bare
    trained = pb.ModelProto()  # by this package, see TestTrain
    trained.ParseFromString(gzip.open(here / "trained.model.gz").read())
    yield "trained", trained


def texts(count):
    r = random.Random(7)
    pool = list("abcdefghijklmnopqrstuvwxyz    \n\t.,'\"-0189ABCDEF<>s/") + list("▁éß日本👍ﬁＡ½가") + ["\u0301", "\u00a0", "\u3000", "\u200d"]
    yield from (t.encode() for t in LANGUAGES)
    yield from (b" " * n for n in range(5))
    yield from (b"ab " * n for n in (1, 2, 40))
    yield from ((t * 9).encode() for t in LANGUAGES[:4])
    for _ in range(count):
        yield "".join(r.choice(pool) for _ in range(r.randrange(60))).encode()
        yield bytes(r.randrange(256) for _ in range(r.randrange(20)))
        broken = bytearray(r.choice(LANGUAGES).encode())
        broken[r.randrange(len(broken))] = r.randrange(256)
        yield bytes(broken)


def rows(processor, count):
    r = random.Random(3)
    for text in texts(count):
        ids = processor.encode(text)
        drawn = [r.randrange(processor.get_piece_size()) for _ in range(8)]
        yield {
            "text": base64.b64encode(text).decode(), "ids": ids, "decoded": processor.decode(ids) if ids else "",
            "drawn": drawn, "drawn_text": processor.decode(drawn),
        }


def write(models, file, count):
    """Writes models, but the one that Go wrote, and what SentencePiece makes of texts."""
    golden = {}
    for name, model in models:
        blob = model.SerializeToString()
        if name != "trained":
            with gzip.GzipFile(here / f"{name}.model.gz", "wb", mtime=0) as f:
                f.write(blob)
        golden[name] = list(rows(spm.SentencePieceProcessor(model_proto=blob), count))
    with gzip.GzipFile(here / file, "wb", mtime=0) as f:
        f.write(json.dumps(golden, ensure_ascii=False).encode())


if __name__ == "__main__":
    write(models(), "golden.json.gz", 60)
    if len(sys.argv) > 1:
        with gzip.GzipFile(here / "llama.json.gz", "wb", mtime=0) as f:
            f.write(json.dumps(list(rows(spm.SentencePieceProcessor(model_file=sys.argv[1]), 200)), ensure_ascii=False).encode())
