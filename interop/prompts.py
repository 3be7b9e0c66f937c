"""Texts have the same tokens, and a bare prompt begins, goes on and ends alike, in
transformers, llama.cpp and ours."""

import json
import pathlib

import numpy as np
import torch
import transformers

import models

TEXTS = [
    models.PROMPT, "func (r *Reader) next() (byte, error) { return 0, nil }", "Größe, naïve café — 東京 🙂🙂\n\n\tx := 12345",
    "  leading blanks", " one", "\n", "\n\n line feeds before", " \n \t mixed", "trailing  ", "   ", "🙂 emoji first", " 👨‍👩‍👧‍👦🇫🇷",
    "a  b   c\n\n\n d", "don't can't WE'RE", "\u0000\u0001 control", "",
]
PROMPTS = ["", "package ", "func (m *Model) ", "// The ", "\n", "import (\n\t\"fmt\"\n"]
MOST = 60  # new tokens of each
LOSS = 1e-4  # of the first token


def check_texts(c, case, folder, gguf_path):
    """The ids of texts by transformers, by llama.cpp and, for pieces, by SentencePiece."""
    from llama_cpp import Llama

    tok = transformers.AutoTokenizer.from_pretrained(folder)
    llama = Llama(str(gguf_path), vocab_only=True, verbose=False)
    pieces = pathlib.Path(folder) / "tokenizer.model"
    if pieces.exists():
        import sentencepiece

        sp = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
        bad = [t for t in TEXTS if tok(t, add_special_tokens=False).input_ids != sp.encode(t)]
        c.check(case.name, "transformers", "token ids are SentencePiece's", not bad, repr(bad[:1]) if bad else "")
    bad = [t for t in TEXTS if "\u0000" not in t and t
           and tok(t, add_special_tokens=False).input_ids != llama.tokenize(t.encode(), add_bos=False, special=False)]
    c.check(case.name, "llama.cpp", "token ids are transformers'", not bad, repr(bad[:1]) if bad else f"{len(TEXTS)} texts")
    bad = [t for t in TEXTS if tok.decode(tok(t, add_special_tokens=False).input_ids) != t]
    c.check(case.name, "transformers", "text comes back from its ids", not bad, repr(bad[:1]) if bad else "")
    return tok


def ours(p, native, text):
    """The ids of a prompt and the logits of what follows each."""
    out = json.loads(p.run("mobilellm-export", "logits", "--model", native, "--text", text))
    return out["tokens"], np.array(out["logits"], np.float64)


def log_softmax(row):
    return row - row.max() - np.log(np.exp(row - row.max()).sum())


def losses(logits, firsts):
    """The mean loss of documents' first tokens, of the logits behind what opens them."""
    return -log_softmax(np.asarray(logits, np.float64))[firsts].mean()


def in_transformers(model, tok, ids):
    new = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False, max_new_tokens=MOST,
                         pad_token_id=0)[0][len(ids):].tolist()
    if new and new[-1] in ends(model.generation_config):
        new = new[:-1]
    decode = lambda ids: tok.decode(ids, skip_special_tokens=True)  # and so without the blank that begins a text
    return decode(ids + new)[len(decode(ids)):]


def ends(config):
    return np.atleast_1d(config.eos_token_id if config.eos_token_id is not None else []).tolist()


def in_llama(model, ids):
    import llama_cpp

    model.reset()
    model.eval(ids)
    new = []
    while len(new) < MOST:
        best = int(np.argmax(model.scores[model.n_tokens - 1]))
        if llama_cpp.llama_vocab_is_eog(model._model.vocab, best):
            break
        new.append(best)
        model.eval([best])
    return model.detokenize(ids + new)[len(model.detokenize(ids)):].decode(errors="replace")


def check(c, p, case, native, folder, model, documents):
    """folder and model are the exports of native for transformers and llama.cpp."""
    import llama_cpp

    tok = transformers.AutoTokenizer.from_pretrained(folder)
    torch_model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    vocab = model._model.vocab
    there = [tok.eos_token_id, *ends(torch_model.generation_config)]
    got = [i for i in range(model.n_vocab()) if llama_cpp.llama_vocab_is_eog(vocab, i)]
    c.check(case.name, "llama.cpp", "what ends a text", set(there) <= set(got) and model.token_eos() == there[0], f"{there}, {got}")
    c.check(case.name, "llama.cpp", "the chat template", model.metadata.get("tokenizer.chat_template") == tok.chat_template, str(bool(tok.chat_template)))

    bad = {"transformers": [], "llama.cpp": []}
    for text in [*PROMPTS, *(t for t in TEXTS if "\u0000" not in t)]:
        ids, _ = ours(p, native, text)
        if tok(text).input_ids != ids:
            bad["transformers"].append((text, tok(text).input_ids, ids))
        if model.tokenize(text.encode(), add_bos=True, special=False) != ids:
            bad["llama.cpp"].append((text, model.tokenize(text.encode(), add_bos=True, special=False), ids))
    for where, list in bad.items():
        c.check(case.name, where, "ids of bare prompts are ours", not list, repr(list[:1]) if list else f"opened by {ours(p, native, '')[0]}")

    start, logits = ours(p, native, "")
    firsts = [ids[0] for d in documents if (ids := tok(d, add_special_tokens=False).input_ids)]
    own = losses(logits[0], firsts)
    with torch.no_grad():
        c.close(case.name, "transformers", "loss of documents' first tokens", losses(torch_model(torch.tensor([start])).logits[0, -1].double().numpy(), firsts), own, LOSS)
    model.reset()
    model.eval(start)
    c.close(case.name, "llama.cpp", "loss of documents' first tokens", losses(model.scores[0], firsts), own, LOSS)
    print(f"note: {case.name}: loss of documents' first tokens {own:.3f}, behind {start}", flush=True)

    bad = {"transformers": [], "llama.cpp": []}
    for text in PROMPTS:
        ids, _ = ours(p, native, text)
        want = p.generate(native, text, MOST).decode()
        for where, other in (("transformers", in_transformers(torch_model, tok, ids)), ("llama.cpp", in_llama(model, ids))):
            if other != want:
                bad[where].append((text, other, want))
    for where, list in bad.items():
        c.check(case.name, where, "greedy text of bare prompts is ours", not list, repr(list[:1]) if list else f"{len(PROMPTS)} prompts")
