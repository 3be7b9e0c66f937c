"""The tiny models that interop.py trains, and the text that they learn."""

import dataclasses
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Text that is wherever the program is: its own source.
SOURCES = ["arch", "checkpoint", "data", "engine", "export", "optim"]
HELDOUT = ["configs"]
PROMPT = "package arch\n\nimport "
CONTEXT = 256
STEPS = 300


@dataclasses.dataclass
class Case:
    name: str
    what: str
    tied: bool
    kv_heads: int
    sharing: str = "none"
    repeat: int = 2
    tokenizer: str = "train"  # train, bytes or sentencepiece
    dim: int = 64
    heads: int = 4
    layers: int = 3
    vocab: int = 512

    @property
    def shared(self):
        return self.sharing != "none"


CASES = [
    Case("tied-gqa", "tied head, GQA", True, 2),
    Case("untied-gqa", "untied head, GQA", False, 1),
    Case("tied-mha", "tied head, MHA, bytes", True, 4, tokenizer="bytes", vocab=288),
    Case("untied-mha", "untied head, MHA, heads of 24", False, 4, dim=96),
    Case("pieces", "tied head, GQA, SentencePiece", True, 2, tokenizer="sentencepiece", vocab=800),
    Case("immediate", "layers shared immediately", True, 2, "immediate", layers=2),
    Case("repeat", "layers repeated all over", True, 2, "repeat_all_over", layers=2),
    Case("reverse", "layers reversed, untied", False, 2, "reverse", 3, layers=2),
]


def corpus(folders, suffix=".go"):
    return sorted(p for f in folders for p in (ROOT / f).rglob("*" + suffix))


def sentencepiece_model(work):
    import sentencepiece

    text = work / "pieces.txt"
    text.write_text("\n".join(p.read_text() for p in corpus(SOURCES)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(work / "tokenizer"), model_type="bpe", vocab_size=800,
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        split_digits=True, character_coverage=0.999, num_threads=1, minloglevel=2,
        allow_whitespace_only_pieces=True, max_sentence_length=1 << 20)
    return work / "tokenizer.model"


def train(case, work, binaries):
    """Train a case and return its checkpoint's folder."""
    tokenizer = case.tokenizer
    if tokenizer == "sentencepiece":
        tokenizer = sentencepiece_model(work)
    config = work / f"{case.name}.yaml"
    config.write_text(f"""
model:
  {{vocab_size: {case.vocab}, layers: {case.layers}, dim: {case.dim}, heads: {case.heads}, kv_heads: {case.kv_heads},
    ffn_dim: {3 * case.dim}, context: {CONTEXT}, share_embedding: {str(case.tied).lower()},
    layer_sharing: {{strategy: {case.sharing}, repeat: {case.repeat}}}}}
data: {{tokenizer: {tokenizer}, seq: 128}}
optim: {{lr: 4e-3, warmup_steps: 20}}
train: {{steps: {STEPS}, batch: 16, precision: float32}}
eval: {{every: 0}}
""")
    out = work / case.name
    command = [binaries / "mobilellm-train", "--config", config, "--out", out]
    for folder in SOURCES:
        command += ["--data", ROOT / folder / "**" / "*.go"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return out / "checkpoints" / "best"
