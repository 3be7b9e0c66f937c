"""The tiny models that interop.py trains, and the text that they learn."""

import dataclasses
import json
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
    tokenizer: str = "train"  # train, bytes, sentencepiece, or one of FOREIGN
    dim: int = 64
    heads: int = 4
    layers: int = 3
    vocab: int = 512
    qk_norm: bool = False

    @property
    def shared(self):
        return self.sharing != "none"


CASES = [
    Case("tied-gqa", "tied head, GQA", True, 2),
    Case("untied-gqa", "untied head, GQA", False, 1),
    Case("tied-mha", "tied head, MHA, bytes", True, 4, tokenizer="bytes", vocab=288),
    Case("untied-mha", "untied head, MHA, heads of 24", False, 4, dim=96),
    Case("pieces", "tied head, GQA, SentencePiece", True, 2, tokenizer="sentencepiece", vocab=800),
    Case("smollm", "SmolLM's kind of tokenizer", True, 2, tokenizer="smollm", layers=2),
    Case("qwen", "Qwen's kind of tokenizer", True, 2, tokenizer="qwen", layers=2),
    Case("llama3", "Llama 3's kind of tokenizer", True, 2, tokenizer="llama3", layers=2),
    Case("qk-norm", "norms of queries and keys (qwen3)", True, 2, qk_norm=True),
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


# Tokenizers as other models have them: the tokens that are added first, what
# tokenizer_config.json says, and whether a word that is a token is taken whole.
CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
FOREIGN = {
    "smollm": (["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
               {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>", "pad_token": "<|im_end|>", "chat_template": CHATML}, False),
    "qwen": (["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
             {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "chat_template": CHATML}, False),
    "llama3": (["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"],
               {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"}, True),
}


def foreign_tokenizer(kind, size, work):
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    added, config, whole = FOREIGN[kind]
    contraction, rest = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|", r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    words = {"smollm": pre_tokenizers.Digits(individual_digits=True),
             "qwen": pre_tokenizers.Split(Regex(contraction + r"\p{N}" + rest), "isolated"),
             "llama3": pre_tokenizers.Split(Regex(contraction + r"\p{N}{1,3}" + rest), "isolated")}[kind]
    t = Tokenizer(models.BPE(ignore_merges=whole))
    t.normalizer = normalizers.NFC() if kind == "qwen" else None
    t.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind == "smollm")])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator((p.read_text() for p in corpus(SOURCES)), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=added, show_progress=False))
    if kind == "llama3":
        t.post_processor = processors.TemplateProcessing(single=f"{added[0]} $A", special_tokens=[(added[0], 0)])
    folder = work / f"{kind}-tokenizer"
    folder.mkdir()
    t.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if kind == "llama3":  # a list of ends
        (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": [1, 2], "temperature": 0.6, "top_p": 0.9, "do_sample": True}))
    return folder


def train(case, work, binaries):
    """Train a case and return its checkpoint's folder."""
    tokenizer = case.tokenizer
    if tokenizer == "sentencepiece":
        tokenizer = sentencepiece_model(work)
    if tokenizer in FOREIGN:
        tokenizer = foreign_tokenizer(tokenizer, case.vocab, work)
    config = work / f"{case.name}.yaml"
    config.write_text(f"""
model:
  {{vocab_size: {case.vocab}, layers: {case.layers}, dim: {case.dim}, heads: {case.heads}, kv_heads: {case.kv_heads},
    ffn_dim: {3 * case.dim}, context: {CONTEXT}, share_embedding: {str(case.tied).lower()}, qk_norm: {str(case.qk_norm).lower()},
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
