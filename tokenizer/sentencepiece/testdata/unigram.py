"""Writes models of the unigram kind and unigram.json with the SentencePiece library.

    pip install sentencepiece==0.2.3 protobuf
    python unigram.py [COUNT]

With COUNT, so many texts of each sort instead of a few, for fuzzing.
"""

import sys

from golden import train, write


def models():
    small = dict(model_type="unigram", normalization_rule_name="identity", num_threads=1)
    yield "unigram", train(vocab_size=400, remove_extra_whitespaces=False, character_coverage=0.98, **small)
    everything = train(vocab_size=650, byte_fallback=True, user_defined_symbols=["<sep>", "ab", "the ", "▁x", "日本"], control_symbols=["<c>", "q"], **small)
    for i, piece in enumerate(everything.pieces):
        if piece.type == 1 and i % 7 == 0 and len(piece.piece) > 1:
            piece.type = 5
        if piece.type == 1 and i % 3 == 0:  # equal scores
            piece.score = float(int(piece.score))
    yield "unigram-bytes", everything


write(models(), "unigram.json.gz", int(sys.argv[1]) if len(sys.argv) > 1 else 12)
