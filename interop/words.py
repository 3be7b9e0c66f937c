"""llama.cpp's names for how text is cut in words, each as our table has it.

A file of each name that checkpoint/gguf knows is made and turned into a Hugging Face
folder; the tokenizers library must then find the ids that llama.cpp does."""

import json
import re
import subprocess
import unicodedata

import numpy as np

import odd_texts

CASE = "words"
COUNT = 500  # texts of each name

# Where llama.cpp is known to differ, which a note of the export says.
OTHERWISE = {"deepseek-llm", "deepseek-coder", "gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2", "granite-embed-multi-97m", "tekken", "youtu"}

# Characters on which the two differ by themselves: newer than llama.cpp's tables, or
# folded to an ASCII letter by (?i:…).
NEWER = re.compile("[\u0897\u1c89\u1c8a\u0378\ufffe\uffff\u017f\u212a\U0001f16c\U00010940-\U0010ffff]")


def vocabulary():
    """Tokens and merges that reach over every boundary, so that a wrong one shows."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    t.train_from_iterator(odd_texts.texts(6000, 1), trainers.BpeTrainer(
        vocab_size=3000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<s>"], show_progress=False))
    model = json.loads(t.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [" ".join(m) for m in model["merges"]]


def write(path, name, tokens, merges):
    import gguf

    w = gguf.GGUFWriter(path, "llama")
    w.add_block_count(1)
    w.add_context_length(32)
    w.add_embedding_length(32)
    w.add_feed_forward_length(32)
    w.add_head_count(1)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre(name)
    w.add_token_list(tokens)
    w.add_token_types([3] + [1] * (len(tokens) - 1))
    w.add_token_merges(merges)
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    w.add_add_bos_token(False)
    square = np.zeros((32, 32), np.float32)
    w.add_tensor("token_embd.weight", np.zeros((len(tokens), 32), np.float32))
    w.add_tensor("output_norm.weight", square[0])
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        w.add_tensor(f"blk.0.{part}.weight", square)
    for part in ("attn_norm", "ffn_norm"):
        w.add_tensor(f"blk.0.{part}.weight", square[0])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def names(p, work, vocab):
    """Those that our reader says it knows."""
    write(work / "none.gguf", "none", *vocab)
    r = subprocess.run([p.binaries / "mobilellm-export", "--model", work / "none.gguf", "--format", "hf", "--out", work / "none"],
                       capture_output=True, text=True)
    return re.findall(r'"([^"]*)"', r.stderr[r.stderr.index("only ["):])


def check(c, p, work):
    from llama_cpp import Llama
    from tokenizers import Tokenizer

    work.mkdir()
    vocab = vocabulary()
    texts = [t for t in odd_texts.texts(COUNT, 7) if t and "\u0000" not in t and not NEWER.search(t) and unicodedata.is_normalized("NFC", t)]
    known = [n for n in names(p, work, vocab) if n]
    for name in known:
        path = work / f"{name}.gguf"
        write(path, name, *vocab)
        folder = p.export(path, "hf", work / name)
        tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
        llama = Llama(str(path), vocab_only=True, verbose=False)
        bad = [t for t in texts if tok.encode(t, add_special_tokens=False).ids != llama.tokenize(t.encode(), add_bos=False, special=False)]
        if name in OTHERWISE:
            c.check(CASE, "llama.cpp", f"{name}: cuts some words otherwise", 0 < len(bad) < len(texts) / 4, f"{len(bad)} of {len(texts)}")
        else:
            c.check(CASE, "llama.cpp", f"{name}: ids are those of tokenizers", not bad, repr(bad[:1]) if bad else f"{len(texts)} texts")
        path.unlink()
    c.check(CASE, "llama.cpp", "every name was tried", len(known) > 50 and OTHERWISE <= set(known), str(len(known)))
