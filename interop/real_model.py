"""Check a real model, SmolLM2-135M-Instruct: ids, text and every export.

    python real_model.py --bin FOLDER MODEL

MODEL is the folder that smollm2.sh makes, beside the GGUF file that it is made of.
Run it by run.sh.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import tokenizers
import torch
import transformers

import odd_texts
from checks import Checks, Program

CASE = "SmolLM2-135M-Instruct"
PROMPTS = ["The capital of France is", "def fibonacci(n):\n", "Once upon a time, in a village by the sea,"]
CHAT = [{"role": "user", "content": "Name three colours."}]
NEW_TOKENS = 24
LONG_PROMPTS = PROMPTS + [
    "The three primary colours are", "Water boils at", "Dear Sir or Madam,", "SELECT name, age FROM", "Der Himmel ist",
    "Question: What is the largest planet?\nAnswer:", "1, 1, 2, 3, 5, 8,",
]
LONG = 200  # tokens of each
TIE = 1e-3  # logits that differ by less may come in either order
LOGITS = 1e-3  # of up to 30, over 30 layers in another order of sums
ODD_BYTES = 20_000

transformers.logging.disable_progress_bar()
torch.set_num_threads(2)


def check_ids(c, p, model, source):
    """20 KB of odd text, as the tokenizers library encodes it, by the folder's files
    and by the GGUF file."""
    texts, size = [], 0
    for text in odd_texts.texts(4000, 7, ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]):
        texts.append(text)
        size += len(text.encode())
        if size >= ODD_BYTES:
            break
    lines = "".join(json.dumps(t) + "\n" for t in texts)
    library = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    for path in (model, source):
        out = subprocess.run([p.binaries / "mobilellm-data", "encode", "--json-lines", "--parse-special", "--tokenizer", path],
                             input=lines, capture_output=True, text=True, check=True).stdout
        wrong = [t for t, ours in zip(texts, out.splitlines(), strict=True) if json.loads(ours) != library.encode(t, add_special_tokens=False).ids]
        c.check(CASE, "tokenizers", f"token ids by {path.name}", not wrong, repr(wrong[:1]) if wrong else f"{len(texts)} texts, {size} bytes")


def greedy(m, tok, prompt):
    ids = tok(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        out = m.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False)
    new = [i for i in out[0, ids.shape[1]:].tolist() if i not in (m.generation_config.eos_token_id, tok.eos_token_id)]
    return tok.decode(new, skip_special_tokens=False)


def check_text(c, p, model, m, tok):
    """Logits, and what both write after a prompt and after a chat."""
    ids = tok(PROMPTS[2]).input_ids
    with torch.no_grad():
        want = m(torch.tensor([ids])).logits[0].numpy()
    c.close(CASE, "transformers", "logits, float32", p.logits(model, ids), want, LOGITS)
    for prompt in PROMPTS:
        ours = p.generate(model, prompt, NEW_TOKENS).decode()
        c.check(CASE, "transformers", f"greedy text after {prompt!r}", ours == greedy(m, tok, prompt), repr(ours[:40]))
    chat = tok.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    ours = p.run("mobilellm-generate", "--model", model, "--prompt", chat, "--parse-special", "--max-tokens", NEW_TOKENS, "--temperature", 0)
    c.check(CASE, "transformers", "greedy answer in a chat", ours.removesuffix("\n") == greedy(m, tok, chat), repr(ours[:40]))
    return ids, want


def read_gguf(source):
    """The model that transformers reads from the file. Its from_pretrained does the
    same and wants another package."""
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = transformers.LlamaConfig(**load_gguf_checkpoint(str(source))["config"])
    m = transformers.LlamaForCausalLM(config).eval()
    wanting = m.load_state_dict(load_gguf_checkpoint(str(source), return_tensors=True, model_to_load=m)["tensors"], strict=False)
    assert wanting.missing_keys in ([], ["lm_head.weight"]) and not wanting.unexpected_keys, wanting
    m.tie_weights()
    return m


def check_gguf(c, p, source, tok, ids, work):
    """The file itself, in 4 bits: logits, greedy text, and a folder made of it."""
    m = read_gguf(source)
    with torch.no_grad():
        want = m(torch.tensor([ids])).logits[0].numpy()
    c.close(CASE, "transformers", "logits of the GGUF file", p.logits(source, ids), want, LOGITS * np.abs(want).max())
    for prompt in PROMPTS:
        ours = p.generate(source, prompt, NEW_TOKENS).decode()
        c.check(CASE, "transformers", f"greedy text of the GGUF file after {prompt!r}", ours == greedy(m, tok, prompt), repr(ours[:40]))
    out = p.export(source, "hf", work / "hf-of-gguf")
    c.check(CASE, "verify", "hf of the GGUF file", *p.verify(source, out))


def check_exports(c, p, model, tok, ids, want, work):
    from llama_cpp import Llama

    for fmt, typ in (("hf", "bf16"), ("gguf", "f32"), ("gguf", "q8_0"), ("onnx", "f32")):
        out = p.export(model, fmt, work / f"{fmt}-{typ}", "--type", typ)
        c.check(CASE, "verify", f"{fmt} {typ}", *p.verify(model, out))
    again = transformers.AutoTokenizer.from_pretrained(work / "hf-bf16")
    same = again.chat_template == tok.chat_template and all(
        again(t).input_ids == tok(t).input_ids for t in PROMPTS) and again.special_tokens_map == tok.special_tokens_map
    c.check(CASE, "transformers", "the tokenizer of the hf export is the source's", same)
    llama = Llama(str(work / "gguf-f32"), n_ctx=256, logits_all=True, verbose=False, n_threads=2, type_k=0, type_v=0, flash_attn=False)
    c.check(CASE, "llama.cpp", "ids of a bare prompt", llama.tokenize(PROMPTS[2].encode(), add_bos=True, special=False) == ids)
    llama.eval(ids)
    c.close(CASE, "llama.cpp", "logits, f32", np.array(llama.scores[: len(ids)]), want, 10 * LOGITS)
    del llama
    check_llama_texts(c, p, model, work / "gguf-f32")
    r = subprocess.run([p.binaries / "mobilellm-export", "--model", model, "--format", "llama2c", "--out", work / "model.bin"], capture_output=True, text=True)
    c.check(CASE, "llama2.c", "refuses its RoPE base by name", r.returncode == 1 and "rope_base (100000)" in r.stderr, r.stderr.strip()[-90:])


def check_llama_texts(c, p, model, gguf):
    """Greedy texts as long as people read them, beside llama.cpp's on the same weights.
    A step whose best two logits differ by less than TIE ends the comparison of its
    text, and is listed."""
    from llama_cpp import Llama

    llama = Llama(str(gguf), n_ctx=512, logits_all=True, verbose=False, n_threads=2, type_k=0, type_v=0, flash_attn=False)
    lines = subprocess.run([p.binaries / "mobilellm-generate", "--model", model, "--prompt-file", "-", "--max-tokens", str(LONG), "--temperature", "0"],
                           input="".join(json.dumps({"prompt": t}) + "\n" for t in LONG_PROMPTS), capture_output=True, text=True, check=True).stdout.splitlines()
    for prompt, line in zip(LONG_PROMPTS, lines, strict=True):
        ours, ids = json.loads(line)["tokens"], llama.tokenize(prompt.encode(), add_bos=True, special=False)
        llama.reset()
        llama.eval(ids)
        same, tie = 0, ""
        while same < LONG:
            scores = np.array(llama.scores[llama.n_tokens - 1])
            best = int(scores.argmax())
            if best == llama.token_eos() and same == len(ours):
                break
            if same == len(ours) or ours[same] != best:
                second, first = np.sort(scores)[-2:]
                tie = f", then {first - second:.1g} between the best two"
                same = same if first - second < TIE else -1
                break
            llama.eval([best])
            same += 1
        c.check(CASE, "llama.cpp", f"greedy text after {prompt!r}", same >= 0, f"{same} tokens equal{tie}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of our commands")
    parser.add_argument("model", type=pathlib.Path)
    args = parser.parse_args()
    c, p = Checks(), Program(args.bin.resolve())
    tok = transformers.AutoTokenizer.from_pretrained(args.model)
    m = transformers.AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    source = args.model.parent / "smollm2.gguf"
    check_ids(c, p, args.model, source)
    ids, want = check_text(c, p, args.model, m, tok)
    del m
    with tempfile.TemporaryDirectory(prefix="mobilellm-real-") as work:
        check_gguf(c, p, source, tok, ids, pathlib.Path(work))
        check_exports(c, p, args.model, tok, ids, want, pathlib.Path(work))
    print(f"{c.passed} passed, {c.failed} failed")
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(main())
