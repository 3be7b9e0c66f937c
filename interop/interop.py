"""Check that other programs compute with our checkpoints what we do.

Trains the models of models.py, exports each to every format and compares. Prints
a line for each check and `N passed, N failed` at the end; run it by run.sh.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy as np
import torch
import transformers

import models
import prompts
import reference
import words
from checks import Checks, Program

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TABLE = ROOT / "docs" / "format" / "interop.md"
STORIES = ROOT.parent / "shared" / "data" / "models" / "stories260K"

LOGITS = 1e-4  # largest difference of float32 logits
LOGPROBS = 1e-3  # the same of log-probabilities in llama.cpp
PERPLEXITY = 0.005  # relative: of q8_0 to f32, of each quantised type to llama.cpp's own
LOSS = 0.005  # of a text in 8-bit products
NEW_TOKENS = 200

transformers.logging.disable_progress_bar()
torch.set_num_threads(2)


def log_softmax(x):
    return torch.log_softmax(torch.from_numpy(np.asarray(x, np.float64)), -1).numpy()


def tensors(folder):
    from safetensors.numpy import load_file

    out = {}
    for f in sorted(pathlib.Path(folder).glob("model*.safetensors")):
        out.update(load_file(f))
    return out


def identical(a, b):
    return a.keys() == b.keys() and all(a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes() for k in a)


# --- transformers ---------------------------------------------------------------


def torch_logits(folder, ids, dtype=torch.float32):
    m = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    with torch.no_grad():
        return m(torch.tensor([ids])).logits[0].float().numpy()


def refuses(folder):
    try:
        transformers.AutoModelForCausalLM.from_pretrained(folder)
    except ValueError as e:
        return "mobilellm" in str(e), str(e).splitlines()[0]
    return False, "it was opened"


def check_hf(c, p, case, native, work, ids, ours):
    where = "transformers"
    folder = native
    if case.shared:
        ok, detail = refuses(native)
        c.check(case.name, where, "refuses the native folder of shared layers", ok, detail[:60])
        folder = p.export(native, "hf", work / "hf")
    c.close(case.name, where, "logits, float32", torch_logits(folder, ids), ours, LOGITS)
    exact = tensors(folder)
    for typ, dtype in (("bf16", torch.bfloat16), ("f16", torch.float16)):
        out = p.export(native, "hf", work / f"hf-{typ}", "--type", typ)
        m = transformers.AutoModelForCausalLM.from_pretrained(out)
        state = m.state_dict()
        ok = m.dtype == dtype and all(torch.equal(state[k], torch.from_numpy(v.copy()).to(dtype)) for k, v in exact.items())
        c.check(case.name, where, f"weights, {typ}", ok)
        c.check(case.name, "verify", f"hf {typ}", *p.verify(native, out))
    # Ours, saved by transformers, and back.
    again = work / "hf-again"
    transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).save_pretrained(again, max_shard_size="100KB")
    assert len(list(again.glob("model-*.safetensors"))) > 1
    back = p.export(again, "hf", work / "hf-back")
    c.check(case.name, "round trip", "ours, transformers (shards), ours: the same bits", identical(tensors(back), exact))
    return folder


# --- llama.cpp ------------------------------------------------------------------


def llama(path):
    from llama_cpp import Llama

    # The cache in float32: its default, float16, costs more than the tolerance.
    return Llama(str(path), n_ctx=models.CONTEXT, logits_all=True, verbose=False, n_threads=2, type_k=0, type_v=0, flash_attn=False)


def llama_logits(model, ids):
    model.reset()
    model.eval(ids)
    return np.array(model.scores[: len(ids)])


def greedy(model, ids, n):
    model.reset()
    model.eval(ids)
    out = []
    while len(out) < n:
        out.append(int(np.argmax(model.scores[model.n_tokens - 1])))
        if len(out) < n:
            model.eval(out[-1:])
    return out


def nll(logits, ids):
    lp = log_softmax(logits[:-1])
    return -lp[np.arange(len(ids) - 1), ids[1:]].sum()


def check_gguf(c, p, case, native, work, ids, ours, windows):
    import gguf

    where = "llama.cpp"
    path = p.export(native, "gguf", work / "model.gguf")
    c.check(case.name, "verify", "gguf f32", *p.verify(native, path))
    reader = gguf.GGUFReader(path)
    c.check(case.name, where, "the gguf package reads the file", str(reader.fields["general.architecture"].contents()) == ("qwen3" if case.qk_norm else "llama"))
    model = llama(path)
    c.close(case.name, where, "log-probabilities, f32", log_softmax(llama_logits(model, ids)), log_softmax(ours), LOGPROBS)

    prompt = model.tokenize(models.PROMPT.encode(), add_bos=True)
    new = greedy(model, prompt, NEW_TOKENS)
    forced = p.logits(native, prompt + new)
    best = forced.argmax(-1)[len(prompt) - 1 : -1]
    same = int((best == new).sum())
    c.check(case.name, where, f"greedy, {NEW_TOKENS} tokens", same == NEW_TOKENS, f"{same} the same")
    lp, ours_lp = log_softmax(llama_logits(model, prompt + new)), log_softmax(forced)
    c.close(case.name, where, "log-probabilities of that text", lp, ours_lp, LOGPROBS)
    eos = model.token_eos()
    text = new[: new.index(eos)] if eos in new else new
    ours_text = p.generate(native, models.PROMPT, len(text))
    c.check(case.name, where, "greedy text", model.detokenize(text, prev_tokens=prompt) == ours_text, repr(ours_text[:30].decode(errors="replace")))

    total = sum(nll(p.logits(native, w), w) for w in windows)
    count = sum(len(w) - 1 for w in windows)
    for typ, most in (("q8_0", PERPLEXITY), ("f16", 1e-3), ("bf16", 1e-2)):
        small = p.export(native, "gguf", work / f"model-{typ}.gguf", "--type", typ)
        c.check(case.name, "verify", f"gguf {typ}", *p.verify(native, small))
        m = llama(small)
        got = sum(nll(llama_logits(m, w), w) for w in windows)
        change = math.exp((got - total) / count) - 1
        c.check(case.name, where, f"perplexity, {typ}", abs(change) <= most, f"{100 * change:+.3f} %, {math.exp(total / count):.2f} in f32")
        del m
    if case.name in ("tied-gqa", "untied-gqa"):
        check_blocks(c, p, case, native, work, path, windows[:4])
    back = p.export(path, "hf", work / "gguf-back")
    unrolled = p.export(native, "hf", work / "gguf-hf")
    c.check(case.name, "round trip", "ours, GGUF f32, ours: the same bits", identical(tensors(back), tensors(unrolled)))
    c.check(case.name, "round trip", "ours, GGUF f32, ours: the same text", p.generate(back, models.PROMPT, len(text)) == ours_text)
    return path


def quantised_by_llama(source, typ, out):
    """The file as llama.cpp's own quantiser makes it."""
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread, params.ftype = 2, getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{typ.upper()}")
    assert llama_cpp.llama_model_quantize(str(source).encode(), str(out).encode(), params) == 0, typ
    return out


def check_blocks(c, p, case, native, work, path, windows):
    """Each quantised type: gguf-py's bytes, and llama.cpp's own quantiser beside it."""
    import gguf

    count = sum(len(w) - 1 for w in windows)
    plain = {t.name: t.data for t in gguf.GGUFReader(path).tensors}
    for typ in ("q8_0", "q5_1", "q5_0", "q4_1", "q4_0"):
        files = {"ours": work / f"model-{typ}.gguf", "llama.cpp's": quantised_by_llama(path, typ, work / f"llama-{typ}.gguf")}
        if not files["ours"].exists():
            c.check(case.name, "verify", f"gguf {typ}", *p.verify(native, p.export(native, "gguf", files["ours"], "--type", typ)))
        tensors = {name: {t.name: t for t in gguf.GGUFReader(file).tensors} for name, file in files.items()}
        ours, theirs = tensors["ours"], tensors["llama.cpp's"]
        bad = [n for n, t in ours.items() if not np.array_equal(t.data, gguf.quants.quantize(plain[n], t.tensor_type))]
        c.check(case.name, "llama.cpp", f"bytes, {typ}: gguf-py's", not bad, ", ".join(bad[:3]))
        bad = [n for n in theirs if n not in ours or ours[n].tensor_type != theirs[n].tensor_type]
        equal = sum(np.array_equal(t.data, theirs[n].data) for n, t in ours.items() if n in theirs)
        c.check(case.name, "llama.cpp", f"types of tensors, {typ}: its quantiser's", not bad and len(ours) == len(theirs),
                ", ".join(bad[:3]) or f"{equal} of {len(ours)} tensors have its bytes")
        a, b = (sum(nll(llama_logits(m, w), w) for w in windows) for m in map(llama, files.values()))
        change = math.exp((a - b) / count) - 1
        c.check(case.name, "llama.cpp", f"perplexity, {typ}: its quantiser's", abs(change) <= PERPLEXITY,
                f"{100 * change:+.3f} %")


# --- ONNX Runtime ---------------------------------------------------------------


class Session:
    def __init__(self, path, config):
        import onnxruntime

        self.s = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.caches = [i.name for i in self.s.get_inputs() if i.name.startswith("past_key_values.")]
        self.heads, self.size = config["num_key_value_heads"], config["head_dim"]

    def empty(self, batch):
        return {n: np.zeros((batch, self.heads, 0, self.size), np.float32) for n in self.caches}

    def feeds(self, ids, mask, positions, cache):
        return dict(input_ids=np.array(ids, np.int64), attention_mask=np.array(mask, np.int64),
                    position_ids=np.array(positions, np.int64), **cache)

    def run(self, ids, mask, positions, cache):
        names = ["logits"] + [n.replace("past_key_values", "present") for n in self.caches]
        out = self.s.run(names, self.feeds(ids, mask, positions, cache))
        return out[0], dict(zip(self.caches, out[1:]))


def check_onnx(c, p, case, native, work, ids, ours):
    import onnx

    where = "ONNX Runtime"
    config = json.loads((pathlib.Path(native) / "config.json").read_text())
    path = p.export(native, "onnx", work / "model.onnx")
    c.check(case.name, "verify", "onnx f32", *p.verify(native, path))
    onnx.checker.check_model(onnx.load(path), full_check=True)
    s = Session(path, config)
    n = len(ids)
    whole, _ = s.run([ids], np.ones((1, n)), [range(n)], s.empty(1))
    c.close(case.name, where, "logits, float32", whole[0], ours, LOGITS)

    # With the cache: a first part, then one token at a time.
    first = n // 2
    got, cache = s.run([ids[:first]], np.ones((1, first)), [range(first)], s.empty(1))
    rows = [got[0]]
    for t in range(first, n):
        got, cache = s.run([[ids[t]]], np.ones((1, t + 1)), [[t]], cache)
        rows.append(got[0])
    c.close(case.name, where, "logits, token by token", np.concatenate(rows), ours, LOGITS)

    # A batch of two lengths, the shorter one padded on the left.
    short = n - 7
    both = [ids, [0] * 7 + ids[:short]]
    mask = [[1] * n, [0] * 7 + [1] * short]
    places = [list(range(n)), [0] * 7 + list(range(short))]
    got, _ = s.run(both, mask, places, s.empty(2))
    c.close(case.name, where, "logits, batch with padding", np.concatenate([got[0], got[1][7:]]), np.concatenate([ours, ours[:short]]), LOGITS)

    for typ in ("f16", "bf16"):
        small = p.export(native, "onnx", work / f"model-{typ}.onnx", "--type", typ)
        c.check(case.name, "verify", f"onnx {typ}", *p.verify(native, small))
        same = p.export(work / f"hf-{typ}", "onnx", work / f"rounded-{typ}.onnx")
        a, _ = Session(small, config).run([ids], np.ones((1, n)), [range(n)], s.empty(1))
        b, _ = Session(same, config).run([ids], np.ones((1, n)), [range(n)], s.empty(1))
        c.close(case.name, where, f"logits, {typ}", a, b, LOGITS)
    if case.name == "tied-gqa":
        check_integers(c, p, case, native, work, config)
    if case.name in ("tied-gqa", "reverse"):
        check_mobile(c, case, path, work, config, ids, ours)


def check_integers(c, p, case, native, work, config):
    """8-bit products beside our own of the same text, and 4-bit weights beside their own
    numbers in float32."""
    import onnx

    text = work / "text.txt"
    text.write_text("".join(f.read_text() for f in models.corpus(models.HELDOUT))[:350])
    tok = transformers.AutoTokenizer.from_pretrained(work / "tokens-hf")
    bos = prompts.ours(p, native, "")[0][0]
    ids = [bos, bos, *tok(text.read_text(), add_special_tokens=False).input_ids]  # what opens a text is scored too
    n = len(ids)
    assert n < models.CONTEXT, n
    for typ, quantize, most in (("f32", "none", 1e-4), ("int8", "w8a8", LOSS)):
        path = p.export(native, "onnx", work / f"loss-{typ}.onnx", "--type", typ)
        c.check(case.name, "verify", f"onnx {typ}", *p.verify(native, path))
        s = Session(path, config)
        got, _ = s.run([ids], np.ones((1, n)), [range(n)], s.empty(1))
        r = json.loads(p.run("mobilellm-eval", "--model", native, "--text", text, "--quantize", quantize, "--json"))
        c.close(case.name, "ONNX Runtime", f"loss of a text, {typ}", nll(got[0], ids) / (n - 1), r["results"][0]["loss"], most)
    check_products(c, case.name, native, path, work / "products", s.feeds([ids], np.ones((1, n)), [range(n)], s.empty(1)))

    path = p.export(native, "onnx", work / "int4.onnx", "--type", "int4")
    c.check(case.name, "verify", "onnx int4", *p.verify(native, path))
    state, graph = {}, {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
    for name, exact in tensors(native).items():
        x = graph[name]
        if x.dtype == np.uint8:  # [out,in/32,16], two elements a byte
            x = (np.stack([x & 15, x >> 4], -1).reshape(-1, 32).astype(np.float32) - 8) * graph[name + ".scale"][:, None]
        state[name] = torch.from_numpy(x.astype(np.float32).reshape(exact.shape))
    m = transformers.AutoModelForCausalLM.from_pretrained(native, dtype=torch.float32)
    m.load_state_dict(state, strict=False)
    m.tie_weights()
    with torch.no_grad():
        want = m.eval()(torch.tensor([ids])).logits[0].numpy()
    got, _ = Session(path, config).run([ids], np.ones((1, n)), [range(n)], s.empty(1))
    c.close(case.name, "ONNX Runtime", "logits, int4: those of its weights in float32", got[0], want, LOGITS)


def check_products(c, case, native, path, folder, feeds):
    """Each product in 8 bits beside ours of the same inputs: TestProducts of package infer
    compares what is written here."""
    import onnx
    import onnxruntime
    from safetensors.numpy import save_file

    m = onnx.load(path)
    made = {o: node for node in m.graph.node for o in node.output}
    readers = {}
    for node in m.graph.node:
        for i in node.input:
            readers.setdefault(i, []).append(node)
    ends = {}
    for node in m.graph.node:
        if node.op_type != "MatMulInteger":
            continue
        x, weight = node.input[:2]
        while made[x].op_type != "Mul":  # the product of the floats and a row's factor
            x = made[x].input[0]
        y = node.output[0]
        while readers[y][0].op_type in ("Cast", "Mul") and y not in ends.values():
            y = readers[y][0].output[0]
            if made[y].op_type == "Mul" and made[y].input[1].endswith(".scale"):
                break
        ends[f"{weight}.input"], ends[f"{weight}.output"] = made[x].input[0], y
    for name in sorted(set(ends.values())):
        m.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    s = onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
    got = dict(zip(ends, s.run(list(ends.values()), feeds)))
    folder.mkdir()
    (folder / "model").symlink_to(pathlib.Path(native).resolve())
    save_file({k: np.ascontiguousarray(v.reshape(-1, v.shape[-1])) for k, v in got.items()}, folder / "products.safetensors")
    r = subprocess.run(["go", "test", "-count=1", "-v", "-run", "^TestProducts$", "./infer"], cwd=models.ROOT, capture_output=True,
                       text=True, env=os.environ | {"MOBILELLM_PRODUCTS": str(folder.resolve()), "GOEXPERIMENT": "simd"})
    line = next((x.strip() for x in r.stdout.splitlines() if "products," in x), r.stdout + r.stderr)
    c.check(case, "ONNX Runtime", "products in 8 bits", r.returncode == 0 and len(ends) > 0, line)


def check_mobile(c, case, path, work, config, ids, ours):
    """The format of ONNX Runtime's mobile builds."""
    folder = work / "mobile"
    folder.mkdir()
    shutil.copy(path, folder)
    r = subprocess.run([sys.executable, "-m", "onnxruntime.tools.convert_onnx_models_to_ort", str(folder),
                        "--optimization_style", "Fixed"], capture_output=True, text=True)
    converted = list(folder.glob("*.ort"))
    if r.returncode or not converted:
        c.check(case.name, "ONNX Runtime", "converts to the mobile format", False, r.stderr[-200:])
        return
    s = Session(converted[0], config)
    n = len(ids)
    got, _ = s.run([ids], np.ones((1, n)), [range(n)], s.empty(1))
    c.close(case.name, "ONNX Runtime", "logits, mobile format", got[0], ours, LOGITS)


# --- llama2.c -------------------------------------------------------------------


def check_llama2c(c, p, case, native, work, ids, ours):
    where = "llama2.c"
    for version in (0, 1):
        path = p.export(native, "llama2c", work / f"v{version}.bin", "--bin-version", version)
        c.check(case.name, "verify", f"llama2c version {version}", *p.verify(native, path))
        c.close(case.name, where, f"logits, version {version}", reference.logits(path, ids), ours, LOGITS)
        back = p.export(path, "hf", work / f"v{version}-back")
        c.check(case.name, "round trip", f"ours, llama2.c version {version}, ours: the same bits",
                identical(tensors(back), tensors(work / "gguf-hf")))
    pieces = work / "v0.tokenizer.bin"
    if case.tokenizer == "sentencepiece":
        import sentencepiece

        sp = sentencepiece.SentencePieceProcessor(model_file=str(pathlib.Path(native) / "tokenizer.model"))
        got = reference.read_tokenizer(pieces, case.vocab)
        bad = [i for i in range(3, sp.vocab_size())
               if got[i] != (np.float32(sp.get_score(i)), sp.id_to_piece(i).replace("▁", " ").encode())]
        c.check(case.name, where, "tokenizer file", not bad, str(bad[:3]) if bad else "")
    else:
        c.check(case.name, where, "no tokenizer file for bytes", not pieces.exists())


# --- models made elsewhere ------------------------------------------------------

SCALINGS = {
    "linear": {"rope_type": "linear", "factor": 2.0},
    "dynamic": {"rope_type": "dynamic", "factor": 2.0},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64},
}


def check_foreign(c, p, native, shared, work, ids):
    """Folders of transformers with scaled RoPE, pickles, and the official code's config."""
    base = transformers.AutoModelForCausalLM.from_pretrained(native, dtype=torch.float32)
    tok = transformers.AutoTokenizer.from_pretrained(native)
    for name, scaling in SCALINGS.items():
        case = f"rope {name}"
        config = transformers.LlamaConfig.from_dict(
            {**base.config.to_dict(), "rope_parameters": {"rope_theta": 10000.0, **scaling}})
        m = transformers.LlamaForCausalLM(config)
        m.load_state_dict(base.state_dict())
        folder = work / f"rope-{name}"
        m.save_pretrained(folder)
        tok.save_pretrained(folder)
        with torch.no_grad():
            want = m.eval()(torch.tensor([ids])).logits[0].numpy()
        c.close(case, "into ours", "logits, float32", p.logits(folder, ids), want, LOGITS)
        out = p.export(folder, "hf", work / f"rope-{name}-hf")
        c.close(case, "transformers", "logits, float32", torch_logits(out, ids), want, LOGITS)
        gguf = p.export(folder, "gguf", work / f"rope-{name}.gguf")
        c.close(case, "llama.cpp", "log-probabilities, f32", log_softmax(llama_logits(llama(gguf), ids)), log_softmax(want), LOGPROBS)
        path = p.export(folder, "onnx", work / f"rope-{name}.onnx")
        s = Session(path, json.loads((out / "config.json").read_text()))
        got, _ = s.run([ids], np.ones((1, len(ids))), [range(len(ids))], s.empty(1))
        c.close(case, "ONNX Runtime", "logits, float32", got[0], want, LOGITS)
    # Beyond the context, where dynamic scaling sets in: a config of half the context.
    half = work / "rope-dynamic-long"
    config = transformers.LlamaConfig.from_dict({**base.config.to_dict(), "max_position_embeddings": len(ids) // 2,
                                                 "rope_parameters": {"rope_theta": 10000.0, **SCALINGS["dynamic"]}})
    m = transformers.LlamaForCausalLM(config)
    m.load_state_dict(base.state_dict())
    m.save_pretrained(half)
    with torch.no_grad():
        want = m.eval()(torch.tensor([ids])).logits[0].numpy()
    c.close("rope dynamic", "into ours", "logits beyond the context", p.logits(half, ids), want, LOGITS)

    case = "pytorch_model.bin"
    want = torch_logits(native, ids)
    for name, parts in (("pickle", 1), ("pickle-shards", 3)):
        folder = work / name
        folder.mkdir()
        base.config.save_pretrained(folder)
        state = base.state_dict()
        names = list(state)
        index = {"metadata": {}, "weight_map": {}}
        for i in range(parts):
            file = "pytorch_model.bin" if parts == 1 else f"pytorch_model-{i + 1:05d}-of-{parts:05d}.bin"
            part = names[i::parts]
            torch.save({n: state[n] for n in part}, folder / file)
            index["weight_map"].update(dict.fromkeys(part, file))
        if parts > 1:
            (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
        c.close(case, "into ours", f"logits, {parts} file(s)", p.logits(folder, ids), want, LOGITS)

    # The official MobileLLM code says share_embedding and layer_sharing: true.
    case = "official MobileLLM"
    folder = work / "official"
    shutil.copytree(pathlib.Path(shared).resolve(), folder)
    for name in ("state.json", "optimizer.safetensors"):
        (folder / name).unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    for key in ("ffn", "layer_sharing", "share_embedding"):
        config.pop(key)
    config.update(model_type="mobilellm", share_embedding=True, layer_sharing=True, tie_word_embeddings=False,
                  pretraining_tp=1, rope_scaling=None)
    (folder / "config.json").write_text(json.dumps(config))
    unrolled = p.export(shared, "hf", work / "official-unrolled")
    c.close(case, "into ours", "logits of shared layers", p.logits(folder, ids), torch_logits(unrolled, ids), LOGITS)
    out = work / "official-run"
    config_file = work / "immediate.yaml"
    p.run("mobilellm-train", "--config", config_file, "--data", models.ROOT / "arch" / "*.go", "--out", out,
          "--init", folder, "--steps", 2, "--set", f"data.tokenizer={folder}", "--set", "optim.lr=1e-5")
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [r["loss"] for r in records if "loss" in r]
    held = [r["heldout_loss"] for r in records if "heldout_loss" in r]
    c.check(case, "into ours", "trains on and evaluates", losses and losses[0] < 5 and held and held[-1] < 5, f"loss {losses[0]:.2f}, held out {held[-1]:.2f}")


STORY = """Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.
Lily's mom said, "Lily, let's go to the park." Lily was sad and didn't know what to do. She said, "I want to play with your ball, but I can't find it."
Lily was sad and didn't know what to do. She said, "I'm sorry, Lily. I didn't know what to do."
Lily didn't want to help her mom, so she said, "I'm sorry, mom. I didn't know what to do." Her mom said, "Don't worry, Lily. We can help you."""


def check_stories(c, p, work):
    """The real model of llama2.c's author, where it is at hand."""
    case = "stories260K"
    if not STORIES.exists():
        print(f"note: {STORIES} is not there, so {case} is left out")
        return
    folder = p.export(STORIES / "stories260K.bin", "hf", work / "stories", "--tokenizer", STORIES / "tok512.bin")
    text = p.generate(folder, "", 255).decode()
    text = text.lstrip(" ")  # the piece that begins the text holds a blank
    c.check(case, "into ours", "continues as its author's program does", len(text) >= len(STORY) - 10 and STORY.startswith(text),
            f"{len(text)} of {len(STORY)} characters")
    ids = transformers.AutoTokenizer.from_pretrained(folder)(STORY).input_ids
    ours = p.logits(folder, ids)
    same = int((ours.argmax(-1)[:-1] == ids[1:]).sum())
    c.check(case, "into ours", "likeliest tokens are its author's program's", same == len(ids) - 1, f"{same} of {len(ids) - 1}")
    c.close(case, "transformers", "logits, float32", torch_logits(folder, ids), ours, LOGITS)
    c.close(case, "llama2.c", "logits", reference.logits(STORIES / "stories260K.bin", ids), ours, LOGITS)
    a = p.export(folder, "llama2c", work / "stories.bin").read_bytes()
    b = (STORIES / "stories260K.bin").read_bytes()
    tables = 2 * 512 * 4 * 4
    c.check(case, "round trip", "llama2.c, ours, llama2.c: the same bytes but for the rotary tables",
            len(a) == len(b) and a[:-tables] == b[:-tables])
    c.check(case, "round trip", "its tokenizer: the same bytes",
            (work / "stories.tokenizer.bin").read_bytes() == (STORIES / "tok512.bin").read_bytes())
    model = llama(p.export(folder, "gguf", work / "stories.gguf"))
    c.close(case, "llama.cpp", "log-probabilities, f32", log_softmax(llama_logits(model, ids[:200])), log_softmax(ours[:200]), LOGPROBS)


# --- the table ------------------------------------------------------------------


def table(c):
    columns = ["transformers", "llama.cpp", "ONNX Runtime", "llama2.c", "into ours", "round trip", "verify"]
    names = {case.name: case.what for case in models.CASES} | {words.CASE: "names of words"}
    lines = [
        "# What loads where", "",
        "Written by `make interop` (`interop/run.sh --update-table`): models trained by this program, or by others, against the",
        "programs of `interop/requirements.txt`. *yes* means that every check of that cell held: logits within 1e-4 in float32",
        "(llama.cpp: log-probabilities within 1e-3 and the same 200 greedy tokens; perplexity of each quantised type within 0.5 %",
        "of its own quantiser's), the same ids of texts and of bare prompts, the same greedy text of those, the same bits after a round trip. An empty cell was not tried.", "",
        "| model | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns),
    ]
    for case, row in c.rows.items():
        cells = [{True: "yes", False: "**no**", None: ""}[row.get(col)] for col in columns]
        lines.append(f"| {names.get(case, case)} | " + " | ".join(cells) + " |")
    lines += ["", "Natively, a folder of shared layers says `model_type: mobilellm`, which transformers refuses; it loads after",
              "`mobilellm-export --format hf`. Folders in 8 bits are checked by `make interop-quantized`, adapters by `make interop-lora`; CI runs neither.", ""]
    return "\n".join(lines)


def check_case(c, p, case, work):
    began = time.time()
    native = models.train(case, work.parent, p.binaries)
    print(f"note: {case.name}: trained in {time.time() - began:.0f} s", flush=True)
    text = "".join(f.read_text() for f in models.corpus(models.HELDOUT))[:12000]
    gguf_path = p.export(native, "gguf", work / "tokens.gguf")
    folder = p.export(native, "hf", work / "tokens-hf")
    tok = prompts.check_texts(c, case, folder, gguf_path)
    if not case.shared:
        there = transformers.AutoTokenizer.from_pretrained(native)
        bad = [t for t in [text[:500], *prompts.TEXTS] if there(t).input_ids != tok(t).input_ids or there.decode(there(t).input_ids) != tok.decode(tok(t).input_ids)]
        c.check(case.name, "transformers", "the native folder's tokenizer is that of the exported one", not bad, repr(bad[:1]) if bad else "")
    prompts.check(c, p, case, native, folder, llama(gguf_path), [f.read_text() for f in models.corpus(models.SOURCES)])
    ids = tok(text, add_special_tokens=False).input_ids
    bos = prompts.ours(p, native, "")[0][0]
    size = models.CONTEXT - 1
    windows = [[bos] + ids[i : i + size] for i in range(0, 8 * size, size)]
    first = windows[0][:160]
    ours = p.logits(native, first)
    check_hf(c, p, case, native, work, first, ours)
    check_gguf(c, p, case, native, work, first, ours, windows)
    check_onnx(c, p, case, native, work, first, ours)
    if not case.qk_norm:  # which llama2.c does not know
        check_llama2c(c, p, case, native, work, first, ours)
    return native, first


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of our commands")
    parser.add_argument("--case", action="append", help="only these models; the table is left alone")
    parser.add_argument("--update-table", action="store_true", help="write docs/format/interop.md")
    parser.add_argument("--keep", type=pathlib.Path, help="work in this new folder and keep it")
    args = parser.parse_args()
    c, p = Checks(), Program(args.bin.resolve())
    work = args.keep or pathlib.Path(tempfile.mkdtemp(prefix="mobilellm-interop-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        done = {}
        for case in models.CASES:
            if args.case and case.name not in args.case:
                continue
            folder = work / f"work-{case.name}"
            folder.mkdir()
            try:
                done[case.name] = check_case(c, p, case, folder)
            except Exception as e:  # a broken case must not hide the others
                c.check(case.name, "interop", type(e).__name__, False, str(e)[-600:])
        try:
            if "tied-gqa" in done and "immediate" in done:
                check_foreign(c, p, done["tied-gqa"][0], done["immediate"][0], work, done["tied-gqa"][1])
            if not args.case or "words" in args.case:
                words.check(c, p, work / "words")
            if not args.case:
                check_stories(c, p, work)
        except Exception as e:
            c.check("foreign", "interop", type(e).__name__, False, str(e)[-600:])
        if not args.case:
            new = table(c)
            if args.update_table:
                TABLE.write_text(new)
            elif STORIES.exists():
                c.check("table", "interop", f"{TABLE.relative_to(ROOT)} is what was found", TABLE.exists() and TABLE.read_text() == new)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
    print(f"{c.passed} passed, {c.failed} failed")
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(main())
