"""Check a folder in W8A8 against transformers with compressed-tensors.

    python quantized.py --bin FOLDER --out FOLDER [MODEL]

MODEL is a folder in floating point; without one a tiny model is trained. It is exported
with --quantize w8a8. Its integers and scales must be compressed-tensors' own, the first
token's log-probabilities and the loss of the text those of transformers.
products.safetensors keeps the inputs and the results of each linear layer, with which Go's
TestProducts compares ours. Run it by quantized.sh.
"""

import argparse
import json
import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
import transformers
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import quantize
from compressed_tensors.quantization.utils import calculate_qparams
from safetensors.torch import load_file, save_file

import models
from checks import Checks, Program

LOGITS = 1e-3  # of the first token, where transformers' own results are as near
LOSS = 0.005  # of a text, where transformers' own results are as near to each other
OWN = 400  # tokens whose loss transformers finds in two ways
TOKENS = 16  # of products
TOP = 20
ROWS = 16  # of the first token

transformers.logging.disable_progress_bar()
torch.set_num_threads(2)


def check_weights(c, case, folder, model):
    """Our integers and scales are those that compressed-tensors makes of the floats."""
    stored, floats = load_file(folder / "model.safetensors"), load_file(model / "model.safetensors")
    args = QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="channel")
    wrong, count = [], 0
    for name, q in stored.items():
        if q.dtype != torch.int8:
            continue
        w = floats[name].float()
        scale, zero = calculate_qparams(w.amin(1, keepdim=True), w.amax(1, keepdim=True), args)
        same = torch.equal(stored[name + "_scale"], scale) and torch.equal(q, quantize(w, scale, zero, args).to(torch.int8))
        wrong += [] if same else [name]
        count += 1
    c.check(case, "compressed-tensors", "integers and scales of each weight", count and not wrong, f"{count} weights, {len(wrong)} differ")


def products(m, ids):
    """What each linear layer gets and gives, by its weight's name."""
    kept, hooks = {}, []
    for name, part in m.named_modules():
        if isinstance(part, torch.nn.Linear) and hasattr(part, "quantization_scheme"):
            def keep(_, inputs, output, name=name):
                kept[f"{name}.weight.input"] = inputs[0][0, :TOKENS].float().clone()
                kept[f"{name}.weight.output"] = output[0, :TOKENS].float().clone()
            hooks.append(part.register_forward_hook(keep))
    with torch.no_grad():
        logits = m(torch.tensor([ids])).logits[0].float()
    for h in hooks:
        h.remove()
    return kept, logits


def losses(logits, ids):
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="none")


def standard_error(folder, ids, found):
    """Of a mean loss: by how much transformers' own results differ with attention written
    otherwise, for the reason that check_first has."""
    m = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    first = ids[: OWN + 1]
    with torch.no_grad():
        own = losses(m(torch.tensor([first])).logits[0].float(), first)
    return (found[: len(own)] - own).std().item() / len(found) ** 0.5


def check_first(c, p, case, folder, m, tok):
    """The first token's log-probabilities. A scale is max|x|/127.5, so a row's largest
    element, where it is negative, lies between -127 and -128 by x's last bit, and whoever sums
    in another order may round it otherwise. How far that goes, rows of that one token show,
    which are alike but for their sums."""
    r = p.run("mobilellm-generate", "--model", folder, "--prompt", tok.bos_token, "--parse-special", "--json",
              "--logprobs", TOP, "--max-tokens", 1, "--temperature", 0)
    top = json.loads(r)["logprobs"][0]["top"]
    ours = torch.tensor([t["logprob"] for t in top])
    with torch.no_grad():
        theirs = torch.log_softmax(m(torch.full((1, ROWS), tok.bos_token_id)).logits[0].float(), -1)[:, [t["id"] for t in top]]
    spread = (theirs[:, None] - theirs).abs().max().item()
    apart = (theirs - ours).abs().amax(1).min().item()
    c.check(case, "transformers", f"first token's {TOP} best log-probabilities", apart <= max(LOGITS, spread),
            f"{apart:.2g} from the nearest of {ROWS} rows, which are {spread:.2g} apart")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of our commands")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the export and what each layer makes, new")
    parser.add_argument("model", type=pathlib.Path, nargs="?")
    args = parser.parse_args()
    c, p = Checks(), Program(args.bin.resolve())
    args.out.mkdir(parents=True, exist_ok=True)
    case, model, kind, size = "SmolLM2-135M-Instruct", args.model, "w8a8", 8400
    if model is None:  # with a head of its own, in 8 bits too
        case, kind, size = "untied head, GQA", "w8a8-head", 300
        model = models.train(next(m for m in models.CASES if m.name == "untied-gqa"), args.out, args.bin.resolve())
    text = args.out / "text.txt"
    text.write_text((models.ROOT / "docs" / "architecture.md").read_text()[:size])
    folder = p.export(model, "hf", args.out / "w8a8", "--quantize", kind)
    check_weights(c, case, folder, model)

    m = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tok = transformers.AutoTokenizer.from_pretrained(folder)
    ids = [tok.bos_token_id, *tok(text.read_text()).input_ids]  # what opens a text is scored too
    assert len(ids) <= m.config.max_position_embeddings, len(ids)
    kept, logits = products(m, ids)
    save_file(kept, args.out / "products.safetensors")
    found = losses(logits, ids)
    want, error = found.mean().item(), standard_error(folder, ids, found)
    scheme = ("--quantize", "w8a8:compressed-tensors")
    ways = [("as stored", folder, ()), ("asked for", folder, scheme)]
    if kind == "w8a8":  # ours would have the embedding in 8 bits too
        ways.append(("of the floats", model, scheme))
    for how, path, more in ways:
        ours = json.loads(p.run("mobilellm-eval", "--model", path, "--text", text, "--json", *more))["results"][0]["loss"]
        c.check(case, "transformers", f"loss of {len(ids) - 1} tokens, {how}", abs(ours - want) <= max(LOSS, 3 * error),
                f"{ours:.4f}, {want:.4f} in transformers, whose own standard error is {error:.1g}")
    check_first(c, p, case, folder, m, tok)
    c.check(case, "verify", f"hf {kind}", *p.verify(model, folder))
    print(f"{c.passed} passed, {c.failed} failed")
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(main())
