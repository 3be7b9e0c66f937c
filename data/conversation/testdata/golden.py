"""Writes golden.json: ids and supervised ids of conversations as transformers'
apply_chat_template gives them with return_assistant_tokens_mask, and of prompts with
completions as trl's SFTTrainer tokenizes them; messages.jsonl and pairs.jsonl, the
conversations in the forms that the shared data sets lack.

Needs torch's jinja2, transformers, go, ../shared beside the repository, and SmolLM2-135M
(interop/smollm2.sh). LLaMA's tokenizer is the tokenizer.json that mobilellm-data leaves
beside shards: it gives SentencePiece's ids, where transformers' LlamaTokenizer has others
for runs of blanks.
"""

import gzip
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from transformers import AutoTokenizer

here = pathlib.Path(__file__).parent
root = here.resolve().parents[2]
shared = root.parent / "shared"
smollm2 = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "mobilellm/smollm2/0.1.2"
for path in shared, smollm2:
    if not path.exists():
        sys.exit(print(f"left out: {path} is not there"))
COUNT = 50


def load(name):
    raw = gzip.open(shared / "data" / name).read()
    return json.loads(raw)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def system(turns, i):
    return [{"role": "system", "content": f"You are helper number {i}."}, *turns]


def openai():
    """Two turns each of MT-Bench with its reference answers, and Alpaca's with a system."""
    questions = {q["question_id"]: q["turns"] for q in lines(shared / "data/chat/mt_bench/question.jsonl")}
    out = []
    for i, a in enumerate(lines(shared / "data/chat/mt_bench/reference_answer_gpt-4.jsonl")):
        turns = []
        for q, answer in zip(questions[a["question_id"]], a["choices"][0]["turns"]):
            turns += [{"role": "user", "content": q}, {"role": "assistant", "content": answer}]
        out.append(turns if i % 2 else system(turns, i))
    for item in load("chat/alpaca_en_demo.json.gz")[100 : 100 + COUNT - len(out)]:
        out.append(system(alpaca(item), len(out)))
    return out


def alpaca(item):
    said = item["instruction"] + ("\n\n" + item["input"] if item["input"] else "")
    return [{"role": "user", "content": said}, {"role": "assistant", "content": item["output"]}]


def sharegpt(item):
    roles = {"human": "user", "gpt": "assistant"}
    return [{"role": roles[t["from"]], "content": t["value"]} for t in item["conversations"]]


def pairs():
    for item in load("chat/alpaca_en_demo.json.gz")[200 : 200 + COUNT]:
        yield {"prompt": f"Q: {item['instruction']}\n{item['input']}\nA:", "completion": " " + item["output"]}


FORMS = {
    "messages.jsonl": openai(),
    "alpaca_en_demo.json.gz": [alpaca(i) for i in load("chat/alpaca_en_demo.json.gz")[:COUNT]],
    "dummy_conversation.json.gz": [sharegpt(i) for i in load("chat/dummy_conversation.json.gz")[:COUNT]],
}
PAIRS = list(pairs())
with open(here / "messages.jsonl", "w") as f:
    for messages in FORMS["messages.jsonl"]:
        f.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
with open(here / "pairs.jsonl", "w") as f:
    for pair in PAIRS:
        f.write(json.dumps(pair, ensure_ascii=False) + "\n")


def brief(ids, mask):
    """The ids by their number and hash, the supervised ones as ranges."""
    ranges = []
    for i, on in enumerate(mask):
        if on and ranges and ranges[-1][1] == i:
            ranges[-1][1] = i + 1
        elif on:
            ranges.append([i, i + 1])
    text = " ".join(map(str, ids))
    return {"tokens": len(ids), "sum": hashlib.sha256(text.encode()).hexdigest()[:16], "learn": ranges}


# SmolLM2's own template, and that of Llama 3, have no generation blocks; these are the same
# with blocks around what the assistant says and the token that ends its turn.
MARKED = {
    "smollm2": lambda s: s.replace(
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}",
        "{% if message['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
        "{% else %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endif %}"),
}

named = {name: (here / f"../../../tokenizer/chat/templates/{name}.jinja").read_text() for name in ("alpaca", "vicuna", "llama-2", "chatml")}
with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["go", "run", "./cmd/mobilellm-data", "tokenize", "--tokenizer", shared / "data/tokenizer/llama", "--out", f"{folder}/llama", here / "pairs.jsonl", "--field", "prompt"],
                   cwd=root, check=True, stdout=subprocess.DEVNULL)
    llama = AutoTokenizer.from_pretrained(f"{folder}/llama")
own = AutoTokenizer.from_pretrained(smollm2)
marked = MARKED["smollm2"](own.chat_template)
assert marked != own.chat_template

cases, completions = [], []
for tokenizer, name, template in [
    *(("llama", n, t) for n, t in named.items() if n != "chatml"),
    *(("smollm2", n, t) for n, t in named.items()),
    ("smollm2", "", marked),
]:
    tok = {"llama": llama, "smollm2": own}[tokenizer]
    for form, conversations in FORMS.items():
        rows = []
        for messages in conversations:
            out = tok.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
            rows.append(brief(out["input_ids"], out["assistant_masks"]))
        cases.append({"tokenizer": tokenizer, "template": name, "form": form, "rows": rows})
for tokenizer, tok in ("llama", llama), ("smollm2", own):
    rows = []
    for pair in PAIRS:  # trl.SFTTrainer: add_eos, tokenize_fn
        prompt = tok(text=pair["prompt"])["input_ids"]
        ids = tok(text=pair["prompt"] + pair["completion"] + tok.eos_token)["input_ids"]
        assert ids[: len(prompt)] == prompt
        rows.append(brief(ids, [0] * len(prompt) + [1] * (len(ids) - len(prompt))))
    completions.append({"tokenizer": tokenizer, "rows": rows})


def compact(rows):
    return "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]"


text = json.dumps({"cases": [{**c, "rows": f"@{i}"} for i, c in enumerate(cases)], "pairs": [{**c, "rows": f"@p{i}"} for i, c in enumerate(completions)]}, indent=1)
for key, list_ in (("@", cases), ("@p", completions)):
    for i, c in enumerate(list_):
        text = text.replace(f'"{key}{i}"', compact(c["rows"]))
(here / "golden.json").write_text(text + "\n")
