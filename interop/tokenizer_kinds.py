"""The kinds of tokenizers whose ids tokenizer_ids.py compares.

A kind makes a folder with small vocabularies learnt from a small text, and says
what the library it stands for makes of texts with it.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import odd_texts
from models import ROOT

SAMPLE = ROOT / "tokenizer" / "bpe" / "testdata" / "sample.txt"
CORPUS = SAMPLE.read_text().splitlines() + odd_texts.LANGUAGES * 2
# Merges are learnt of whole lines too, so that they reach over every place where
# a kind cuts: a cut that is missed shows.
WORDS = [w for line in CORPUS for w, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(line)]
ENDOFTEXT = "<|endoftext|>"
CHAT = [ENDOFTEXT, "<|im_start|>", "<|im_end|>"]

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
POSSESSIVE = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""]


@dataclasses.dataclass
class Kind:
    name: str
    make: Callable  # writes the files into a folder; may run our commands
    library: str = "tokenizers"  # see tokenizer_ids.py
    # What a user would write in a text: of each 2,000 texts many hold these.
    special: tuple = ()


def level(**options):
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False, "use_regex": False, **options})


def split(*patterns, behavior="isolated", invert=False):
    return pre_tokenizers.Sequence([*(pre_tokenizers.Split(Regex(p), behavior, invert) for p in patterns), level()])


def byte_bpe(pre, special=(ENDOFTEXT,), added=(), normalizer=None, edit=None):
    """A maker of a byte-level BPE; edit changes its JSON."""

    def make(folder, _):
        t = Tokenizer(models.BPE())
        trainer = trainers.BpeTrainer(vocab_size=1000, initial_alphabet=level().alphabet(), special_tokens=list(special), show_progress=False)
        t.train_from_iterator([level().pre_tokenize_str(line)[0][0] for line in CORPUS if line] + WORDS[::2], trainer)
        t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
        if normalizer is not None:
            t.normalizer = normalizer
        t.add_tokens(list(added))
        save(folder, t, edit)

    return make


def save(folder, tokenizer, edit=None):
    file = json.loads(tokenizer.to_str())
    if edit:
        edit(file)
    (folder / "tokenizer.json").write_text(json.dumps(file, ensure_ascii=False))


def half_of_merges(file):
    """With ignore_merges, words that no merge makes."""
    model = file["model"]
    model["ignore_merges"] = True
    model["merges"] = [m for i, m in enumerate(model["merges"]) if i % 3]


def untyped(file):
    """As GPT-2's published file: no type, merges as one text."""
    del file["model"]["type"]
    file["model"]["merges"] = [" ".join(m) for m in file["model"]["merges"]]


def without_bytes(file):
    """As SmolLM's: bytes that its text did not have have no token."""
    model = file["model"]
    drop = {level().pre_tokenize_str(c)[0][0] for c in "\x04\x06\x13\x14\x16\x1d\x07~q"} | set("ÀÁñòõö÷øùúûüýþÿâ")
    tokens = [t for t in model["vocab"] if not drop & set(t)]
    model["vocab"] = {t: i for i, t in enumerate(tokens)}
    model["merges"] = [m for m in model["merges"] if "".join(m) in model["vocab"]]


def with_unknown(file):
    without_bytes(file)
    file["model"]["unk_token"] = ENDOFTEXT


def pieces(normalizer, pre, strip=True, learn_split=False, added=(), model=None, drop=()):
    """A maker of what Hugging Face makes of SentencePiece's BPE: characters, bytes
    for the others. model changes keys of the JSON's model, drop takes tokens out."""

    def make(folder, _):
        special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
        t = Tokenizer(models.BPE())
        t.normalizer, t.pre_tokenizer = normalizers.Replace(" ", "▁"), pre_tokenizers.Metaspace("▁", prepend_scheme="never", split=learn_split)
        trainer = trainers.BpeTrainer(vocab_size=800, special_tokens=special, limit_alphabet=90, show_progress=False)
        t.train_from_iterator(CORPUS, trainer)
        file = json.loads(t.to_str())
        file["added_tokens"] = file["added_tokens"][:3]
        file["pre_tokenizer"] = None
        file["model"].update({"byte_fallback": True, "fuse_unk": True, "unk_token": "<unk>", **(model or {})})
        for token in drop:
            del file["model"]["vocab"][token]
        t = Tokenizer.from_str(json.dumps(file))
        t.normalizer = normalizer
        if pre is not None:
            t.pre_tokenizer = pre
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *([decoders.Strip(" ", 1, 0)] if strip else [])])
        t.add_tokens(list(added))
        save(folder, t)

    return make


def metaspace(scheme, split=False):
    return pre_tokenizers.Metaspace("▁", prepend_scheme=scheme, split=split)


LLAMA2 = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])


def added_tokens():
    """One of every flag, alone and together."""
    tokens = [AddedToken("<l>", lstrip=True), AddedToken("<r>", rstrip=True), AddedToken("<lr>", lstrip=True, rstrip=True, normalized=False), AddedToken("dog", single_word=True),
              AddedToken("Cab", single_word=True, normalized=False), AddedToken("<N>", normalized=True), AddedToken("<p>", normalized=False), AddedToken("ab"), AddedToken("abc"), AddedToken("n o", normalized=True),
              AddedToken("caf\u00e9", normalized=True), AddedToken("o\u0308k", normalized=True), AddedToken("e\u0301<", normalized=False)]
    control = [AddedToken("<s1>", special=True, normalized=False), AddedToken("<s2>", special=True, normalized=True, lstrip=True), AddedToken("<s3>", special=True, rstrip=True, single_word=True), AddedToken("<s1>x")]
    return tokens + control


ADDED = tuple(str(t.content) for t in added_tokens())


def unigram(normalizer=None, scheme="always", byte_fallback=False):
    """A maker of a Unigram as the tokenizers library learns it."""

    def make(folder, _):
        t = Tokenizer(models.Unigram())
        t.pre_tokenizer = metaspace(scheme, True)
        if normalizer is not None:
            t.normalizer = normalizer
        trainer = trainers.UnigramTrainer(vocab_size=420, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False)
        t.train_from_iterator(CORPUS[:77] + CORPUS[77:84] * 4, trainer)
        t.decoder = decoders.Metaspace("▁", prepend_scheme=scheme)
        if byte_fallback:
            t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])

        def edit(file):
            file["model"]["byte_fallback"] = byte_fallback
            if byte_fallback:
                file["model"]["vocab"] += [[f"<0x{b:02X}>", 0.0] for b in range(256)]

        save(folder, t, edit)

    return make


def train_pieces(folder, **options):
    import sentencepiece

    text = folder / "corpus.txt"
    text.write_text("\n".join(CORPUS))
    sentencepiece.SentencePieceTrainer.train(**{
        "input": str(text), "model_prefix": str(folder / "tokenizer"), "model_type": "bpe", "vocab_size": 700, "character_coverage": 0.98, "num_threads": 1,
        "minloglevel": 2, "normalization_rule_name": "identity", "remove_extra_whitespaces": False, **options})
    text.unlink()
    (folder / "tokenizer.vocab").unlink()


def sentencepiece_model(**options):
    return lambda folder, _: train_pieces(folder, **options)


UNIGRAM = {"model_type": "unigram", "vocab_size": 400}


def converted(before=(), after=(), post=None):
    """A maker of a Unigram that was SentencePiece's, as T5's and ALBERT's: its
    character map stands between other normalizers."""

    def make(folder, _):
        from sentencepiece import sentencepiece_model_pb2

        train_pieces(folder, **UNIGRAM, normalization_rule_name="nmt_nfkc", remove_extra_whitespaces=True)
        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString((folder / "tokenizer.model").read_bytes())
        (folder / "tokenizer.model").unlink()
        t = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=proto.trainer_spec.unk_id))
        t.normalizer = normalizers.Sequence([*before, normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), *after])
        t.pre_tokenizer, t.decoder = metaspace("always", True), decoders.Metaspace("▁", prepend_scheme="always")
        t.add_special_tokens(["<unk>", "<s>", "</s>"])
        if post:
            t.post_processor = post
        save(folder, t)

    return make


def added_to_model(folder, _):
    """A SentencePiece model whose added tokens stand in files beside it."""
    train_pieces(folder, byte_fallback=True)
    tokens = {700: AddedToken("<|im_start|>", special=True, normalized=False), 701: AddedToken("<|im_end|>", special=True, normalized=False), 702: AddedToken("<tool>", normalized=False)}
    (folder / "added_tokens.json").write_text(json.dumps({t.content: i for i, t in tokens.items()}))
    decoder = {str(i): {"content": t.content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": t.special} for i, t in tokens.items()}
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "<|im_end|>", "unk_token": "<unk>", "legacy": True, "added_tokens_decoder": decoder}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def model_and_json(folder, _):
    """The same with the tokenizer.json that transformers makes of it."""
    from transformers.convert_slow_tokenizer import SentencePieceExtractor

    added_to_model(folder, _)
    made = SentencePieceExtractor(str(folder / "tokenizer.model")).extract(models.BPE)
    t = Tokenizer(models.BPE(made["vocab"], made["merges"], byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    t.normalizer = LLAMA2
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")])
    t.add_tokens([AddedToken("<tool>", normalized=False)])
    save(folder, t)


def of_ours(tokenizer):
    """A maker of what a training run of ours saves."""

    def make(folder, program):
        config = folder / "run.yaml"
        config.write_text("model: {vocab_size: 600, layers: 1, dim: 16, heads: 1, kv_heads: 1, ffn_dim: 16, context: 32}\n"
                          f"data: {{tokenizer: {tokenizer}, seq: 32}}\ntrain: {{steps: 1, batch: 1}}\neval: {{every: 0}}\n")
        program.run("mobilellm-train", "--config", config, "--data", SAMPLE, "--data", ROOT / "interop" / "*.py", "--out", folder / "run")
        for file in (folder / "run" / "checkpoints" / "best").glob("*token*"):
            shutil.copy(file, folder)

    return make


def normalised(name, normalizer):
    return Kind(f"normalizer-{name}", byte_bpe(level(use_regex=True), normalizer=normalizer, added=added_tokens()), special=ADDED)


def cut(name, pre):
    return Kind(f"split-{name}", byte_bpe(pre), special=(ENDOFTEXT,))


N, P = normalizers, pre_tokenizers

KINDS = [
    Kind("learnt", of_ours("train"), special=(ENDOFTEXT,)),
    Kind("bytes", of_ours("bytes"), special=(ENDOFTEXT,)),
    Kind("gpt2", byte_bpe(level(use_regex=True)), special=(ENDOFTEXT,)),
    Kind("gpt2-prefix", byte_bpe(level(use_regex=True, add_prefix_space=True), added=added_tokens()), special=ADDED),
    Kind("untyped", byte_bpe(level(use_regex=True), edit=untyped), special=(ENDOFTEXT,)),
    Kind("llama3", byte_bpe(split(LLAMA3), ["<|begin_of_text|>", "<|eot_id|>"]), special=("<|begin_of_text|>", "<|eot_id|>")),
    Kind("llama3-ignore-merges", byte_bpe(split(LLAMA3), ["<|begin_of_text|>", "<|eot_id|>"], edit=half_of_merges), special=("<|begin_of_text|>", "<|eot_id|>")),
    Kind("qwen2", byte_bpe(split(QWEN2), CHAT, normalizer=N.NFC()), special=tuple(CHAT)),
    Kind("smollm", byte_bpe(P.Sequence([P.Digits(individual_digits=True), level(use_regex=True)]), CHAT, edit=without_bytes), special=tuple(CHAT)),
    Kind("smollm-unknown", byte_bpe(P.Sequence([P.Digits(individual_digits=True), level(use_regex=True)]), CHAT, edit=with_unknown), special=tuple(CHAT)),
    Kind("digits-together", byte_bpe(P.Sequence([P.Digits(individual_digits=False), level(use_regex=True)])), special=(ENDOFTEXT,)),
    Kind("gpt4o", byte_bpe(split(GPT4O)), special=(ENDOFTEXT,)),
    Kind("possessive", byte_bpe(split(POSSESSIVE)), special=(ENDOFTEXT,)),
    Kind("deepseek", byte_bpe(split(*DEEPSEEK)), special=(ENDOFTEXT,)),
    Kind("added", byte_bpe(split(LLAMA3), added=added_tokens()), special=ADDED),
    Kind("llama2", pieces(LLAMA2, None, learn_split=True), special=("<s>", "</s>")),
    Kind("llama2-added", pieces(LLAMA2, None, added=added_tokens()), special=ADDED),
    Kind("metaspace-first", pieces(N.Sequence([]), metaspace("first"), added=added_tokens()), special=ADDED),
    Kind("metaspace-always", pieces(N.NFC(), metaspace("always", True), added=added_tokens()), special=ADDED),
    Kind("metaspace-never", pieces(N.Replace(" ", "▁"), metaspace("never", True), strip=False), special=("<s>",)),
    Kind("bytes-missing", pieces(LLAMA2, None, drop=["<0xE2>", "<0x04>", "<0xF0>"]), special=("<s>",)),
    Kind("characters", pieces(LLAMA2, None, model={"byte_fallback": False, "fuse_unk": False}), special=("<s>",)),
    Kind("characters-fused", pieces(LLAMA2, None, model={"byte_fallback": False}), special=("<s>",)),
    normalised("nfc", N.NFC()),
    normalised("nfd", N.NFD()),
    normalised("nfkc", N.NFKC()),
    normalised("nfkd", N.NFKD()),
    normalised("lowercase", N.Lowercase()),
    normalised("strip", N.Strip()),
    normalised("strip-right", N.Strip(left=False, right=True)),
    normalised("strip-accents", N.StripAccents()),
    normalised("prepend", N.Prepend(" ")),
    normalised("replace", N.Replace("ab", "b")),
    normalised("replace-regex", N.Replace(Regex(r"\s+|(?<=a)b(?=\p{L})"), " ")),
    normalised("sequence", N.Sequence([N.NFD(), N.StripAccents(), N.Lowercase(), N.Replace(Regex(" {2,}"), " "), N.Strip()])),
    cut("empty", split(r"\d*", r"(?=[A-Z])")),
    cut("removed", split(r"\s+|x*", behavior="removed")),
    cut("removed-inverted", split(r"\p{L}+|\p{N}", behavior="removed", invert=True)),
    cut("merged-with-previous", split(r"[\s\p{P}]", behavior="merged_with_previous")),
    cut("merged-with-next", split(r"\s", behavior="merged_with_next")),
    cut("contiguous", split(r"\s|\p{N}", behavior="contiguous")),
    cut("inverted", split(r"\p{L}", behavior="merged_with_next", invert=True)),
    cut("text", P.Sequence([P.Split(" ", "merged_with_next"), P.Split(".", "removed"), level()])),
    Kind("unigram", unigram(), special=("<s>", "</s>")),
    Kind("unigram-bytes", unigram(scheme="first", byte_fallback=True), special=("<s>", "</s>")),
    Kind("unigram-nfkc", unigram(N.Sequence([N.NFKC(), N.Replace(Regex(" {2,}"), " ")])), special=("<s>",)),
    Kind("t5", converted(post=processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])), special=("<s>", "</s>")),
    Kind("albert", converted([N.Replace("``", '"'), N.Replace("''", '"'), N.NFKD(), N.StripAccents(), N.Lowercase()], [N.Replace(Regex(" {2,}"), " ")]), special=("<s>",)),
    Kind("model-and-json", model_and_json, special=("<|im_start|>", "<|im_end|>", "<tool>", "<s>")),
    Kind("model-and-added", added_to_model, "sentencepiece, added tokens", ("<|im_start|>", "<|im_end|>", "<tool>", "<s>")),
    Kind("pieces-bpe", sentencepiece_model(byte_fallback=True, split_digits=True), "sentencepiece", ("<s>", "</s>")),
    Kind("pieces-bpe-unknown", sentencepiece_model(), "sentencepiece", ("<s>",)),
    Kind("pieces-bpe-nfkc", sentencepiece_model(normalization_rule_name="nmt_nfkc", remove_extra_whitespaces=True), "sentencepiece", ("<s>",)),
    Kind("pieces-bpe-symbols", sentencepiece_model(user_defined_symbols=["<u>", "ab", "abc", "é"], control_symbols=["<c>"], byte_fallback=True), "sentencepiece", ("<u>", "<c>", "ab", "abc")),
    Kind("pieces-bpe-suffix", sentencepiece_model(treat_whitespace_as_suffix=True, normalization_rule_name="nfkc_cf", byte_fallback=True), "sentencepiece"),
    Kind("pieces-unigram", sentencepiece_model(**UNIGRAM, normalization_rule_name="nmt_nfkc", remove_extra_whitespaces=True), "sentencepiece", ("<s>",)),
    Kind("pieces-unigram-bytes", sentencepiece_model(**{**UNIGRAM, "vocab_size": 600}, byte_fallback=True, user_defined_symbols=["<u>", "ab"]), "sentencepiece", ("<u>", "<s>")),
]
