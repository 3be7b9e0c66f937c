"""Writes what lm-evaluation-harness 0.4.13 asks of a model, offline.

For each task: records/TASK.jsonl are 20 records of the data set in the form of its
authors' files (from ../shared beside the repository, which has no LAMBADA, COPA and WSC:
those are written here), hub/TASK.parquet the same in Hugging Face's, and
golden/TASK.jsonl, a line an item, the harness's contexts, continuations, gold, the
log-likelihoods that its dummy model draws and the measures that it makes of them.
shots/TASK are records with a training split beside them, golden/TASK_Nshot.jsonl hashes of
the contexts with N examples, a line a request. all.json has a hash of the prompts of each
whole data set. python.json and answers.json are Python's own random numbers, letters'
case, and measures of answers.

The harness's own definitions are included; only where the data come from is replaced.
Needs lm-eval==0.4.13 with datasets and evaluate.
"""

import collections
import gzip
import hashlib
import importlib.metadata
import json
import os
import pathlib
import random
import re
import string
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
CACHE = tempfile.TemporaryDirectory()
os.environ["HF_HOME"] = CACHE.name

import lm_eval  # noqa: E402
import lm_eval.api.metrics  # noqa: E402
import lm_eval.tasks  # noqa: E402
import pyarrow  # noqa: E402
import pyarrow.parquet  # noqa: E402

assert importlib.metadata.version("lm-eval") == "0.4.13"
HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parents[3] / "shared" / "data"
DEFINITIONS = pathlib.Path(lm_eval.tasks.__file__).parent


def lines(name):
    with gzip.open(SHARED / "eval" / name, "rt", encoding="utf-8", newline="\n") as f:
        return [json.loads(line) for line in f]


def labels(name):
    return (SHARED / "eval" / name).read_text().split()


# A data set: its records in the authors' form, the same in Hugging Face's, in order.
def arc(name):
    records = lines(f"{name}/test.jsonl.gz")
    for r in records:
        for c in r["question"]["choices"]:
            c.pop("para", None)
    return records, [
        {
            "id": r["id"],
            "question": r["question"]["stem"],
            "choices": {k: [c[k] for c in r["question"]["choices"]] for k in ("text", "label")},
            "answerKey": r["answerKey"],
        }
        for r in records
    ]


def boolq():
    records = lines("boolq/val.jsonl.gz")
    return records, [{**r, "label": int(r["label"])} for r in records]


def labelled(name, file):
    records = lines(f"{name}/{file}.jsonl.gz")
    keys = labels(f"{name}/{file}-labels.lst")
    return records, [{**r, "label": int(k) if name == "piqa" else k} for r, k in zip(records, keys, strict=True)]


def hellaswag():
    records = lines("hellaswag/hellaswag_val_1000.jsonl.gz")
    return records, [{**r, "label": str(r["label"])} for r in records]


def openbookqa():
    records = lines("openbookqa/openbook_qa.jsonl.gz")
    return records, [
        {
            "id": str(i),
            "question_stem": r["query"],
            "choices": {"text": r["choices"], "label": list("ABCD")},
            "answerKey": "ABCD"[r["gold"]],
        }
        for i, r in enumerate(records)
    ]


def winogrande():
    records = lines("winogrande/dev.jsonl.gz")
    return records, [{k: r[k] for k in ("sentence", "option1", "option2", "answer")} for r in records]


def race():
    records = lines("race/test_high.jsonl.gz")
    return records, [
        {
            "article": r["article"],
            "problems": str(
                [
                    {"question": q, "answer": a, "options": o}
                    for q, a, o in zip(r["questions"], r["answers"], r["options"], strict=True)
                ]
            ),
        }
        for r in records
    ]


def triviaqa():
    records = lines("triviaqa/triviaqa_sm_sub.jsonl.gz")
    return records, [
        {
            "question": r["context"].removeprefix("Question: ").removesuffix("\nAnswer:"),
            "answer": {"value": r["answer"], "aliases": r["aliases"]},
        }
        for r in records
    ]


def wikitext():
    with gzip.open(SHARED / "text/wikitext-2-raw/wiki.test.raw.gz", "rt", encoding="utf-8", newline="\n") as f:
        pages = pages_of(f.read())
    return pages, [{"page": p} for p in pages]


def pages_of(text):
    """Pages as the loader of EleutherAI/wikitext_document_level cuts them."""
    pages, page = [], []
    for line in text.split("\n") + [None]:
        bare = "= END =" if line is None else line.replace("= = =", "===").replace("= =", "==").strip()
        if bare.startswith("= ") and bare.endswith(" ="):
            if "\n".join(page).strip():
                pages.append("\n".join(page))
            page = []
        page.append(line)
    return pages


LAMBADA = [
    "In my palm is a clear stone, and inside it is a small ivory statue. A guardian angel.\n\n\"Figured if you're going to be out at night getting hit by cars, you might as well have some backup.\"\n\nI look at him, feeling stunned. Like this is some sort of sign. But as I stare at Harlin, his mouth curved in a confident grin, I don't care about signs",
    "Ann walked to the shop and asked for bread. \"We have none,\" said the man, \"come back tomorrow.\" So she walked home without any bread",
    "two  spaces before the last  word",
    "The café was full of people who spoke of naïveté",
    "“You are late,” he said, “and I have waited for an hour.” She looked at the clock. “It is early,” she said, “your clock is wrong.”",
    "word",
    "a line feed\nbefore the end",
    "the last word is a mark ...",
    " begins with one",
    "Он сказал, что придёт завтра",
]

COPA = [
    ("My body cast a shadow over the grass.", "The sun was rising.", "The grass was cut.", "cause", 0),
    ("The woman tolerated her friend's difficult behavior.", "The woman knew her friend was going through a hard time.", "The woman felt that her friend took advantage of her kindness.", "cause", 0),
    ("The runner wore shorts.", "The forecast predicted high temperatures.", "She planned to run along the beach.", "cause", 0),
    ("The guests of the party hid behind the couch.", "It was a surprise party.", "It was a birthday party.", "cause", 0),
    ("The politician lost the election.", "He ran negative campaign ads.", "No one voted for him.", "cause", 1),
    ("I doubted the salesman's pitch. ", "I turned his offer down.", "He persuaded me to buy the product.", "effect", 0),
    ("The glass fell off the table!", "It broke.", "Ärger followed.", "effect", 0),
    ("The café closed.", "Éva went home.", "I stayed there.", "effect", 0),
]

WSC = [
    ("The city councilmen refused the demonstrators a permit because they feared violence.", "they", ["The city councilmen", "The demonstrators"], 0),
    ("The trophy doesn't fit into the brown suitcase because it is too large.", "it", ["The trophy", "the suitcase"], 0),
    ("Joan made sure to thank Susan for all the help she had received.", "she", ["Joan", "Susan"], 0),
    ("Paul tried to call George on the phone. He wasn't successful.", "He", ["Paul", "George"], 0),
    ("The man couldn't lift his son because he was so weak.", "he", ["The man", "The son"], 0),
    ("Jane knocked on the door, and Susan answered it. She invited her to come out.", "her", ["Jane", "Susan"], 1),
    ("Tom gave Ralph a lift to school so he wouldn't have to walk.", "he", ["Tom", "Ralph"], 1),
    ("Fred watched TV while George went out to buy groceries. After an hour his phone rang.", "his", ["Fred", "An uncle"], 0),
    ("It was raining.  They stayed, said the naïve man, because it was warm.", "it", ["The rain", "It"], 1),
    ("They broke the window of the house, so they paid.", "They", ["The boys", "A The"], 0),
]


def lambada():
    rows = [{"text": t} for t in LAMBADA]
    return rows, rows


def copa():
    names = ("premise", "choice1", "choice2", "question", "label")
    rows = [{**dict(zip(names, r, strict=True)), "idx": i} for i, r in enumerate(COPA)]
    return rows, rows


def wsc():
    # The place counts in the text whose double spaces the harness makes single.
    rows = [
        {"text": t, "pronoun": p, "pronoun_loc": re.search(rf"\b{p}\b", t.replace("  ", " ")).start(), "options": o, "label": g}
        for t, p, o, g in WSC
    ]
    return rows, rows


# Name, the harness's definition, the split that it scores, the data set.
TASKS = [
    ("arc_easy", "arc/arc_easy.yaml", "test", lambda: arc("arc_easy")),
    ("arc_challenge", "arc/arc_challenge.yaml", "test", lambda: arc("arc_challenge")),
    ("boolq", "super_glue/boolq/default.yaml", "validation", boolq),
    ("piqa", "piqa/piqa.yaml", "validation", lambda: labelled("piqa", "valid")),
    ("social_iqa", "siqa/siqa.yaml", "validation", lambda: labelled("siqa", "dev")),
    ("hellaswag", "hellaswag/hellaswag.yaml", "validation", hellaswag),
    ("openbookqa", "openbookqa/openbookqa.yaml", "test", openbookqa),
    ("winogrande", "winogrande/default.yaml", "validation", winogrande),
    ("race", "race/race.yaml", "test", race),
    ("triviaqa", "triviaqa/default.yaml", "validation", triviaqa),
    ("wikitext2", "wikitext/wikitext.yaml", "test", wikitext),
    ("lambada_openai", "lambada/lambada_openai.yaml", "test", lambada),
    ("copa", "super_glue/copa/default.yaml", "validation", copa),
    ("wsc273", "wsc273/default.yaml", "test", wsc),
]


# Numbers of examples, and of records to draw them from; 0 for the scored ones.
SHOTS = {"triviaqa": [(1, 80), (5, 80), (64, 80)], "arc_easy": [(2, 40)], "boolq": [(2, 0)], "winogrande": [(2, 0)]}


def special(name, r):
    """Records that a test must have."""
    if name.startswith("arc"):
        return len(r["choices"]["label"]) != 4 or r["answerKey"] in "1234"
    if name == "hellaswag":
        return "[" in r["ctx_a"] or "  " in r["ctx_a"] or any("[" in e for e in r["endings"])
    if name == "race":
        return len(r["article"]) < 1200 and "  _  ." in r["problems"] and r["problems"].count("question") > 2
    if name == "piqa":
        return r["sol1"].endswith(" ") or "\n" in r["goal"]
    if name == "winogrande":
        return not r["sentence"].rstrip(".").endswith(r["sentence"].rsplit("_")[1].rstrip(".")) or "  " in r["sentence"]
    return any(ord(c) > 127 for c in json.dumps(r, ensure_ascii=False))


def chosen(name, rows):
    if name == "wikitext2":
        return sorted(sorted(range(len(rows)), key=lambda i: len(rows[i]["page"]))[:3])
    short = [i for i in range(len(rows)) if name != "race" or len(rows[i]["article"]) < 1500]
    picked = [i for i in short if special(name, rows[i])][:12]
    picked += [i for i in short if i not in picked][: 20 - len(picked)]
    return sorted(picked)


def harness(folder, name, definition, split, rows, train=None, shots=0, model="dummy"):
    """The harness's samples of a task, by its own definition, and its results."""
    task = f"golden_{name}_{shots}"
    files = {split: f"{folder}/{task}.jsonl"}
    write_lines(files[split], rows)
    if train:
        files["train"] = f"{folder}/{task}.train.jsonl"
        write_lines(files["train"], train)
    config = {
        "include": str(DEFINITIONS / definition),
        "task": task,
        "tag": None,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
        "training_split": "train" if train else None,
        "validation_split": split if split == "validation" else None,
        "test_split": split if split == "test" else None,
        "num_fewshot": shots,
    }
    pathlib.Path(folder, task + ".yaml").write_text(json.dumps(config))
    manager = lm_eval.tasks.TaskManager(include_path=folder, include_defaults=False)
    results = lm_eval.simple_evaluate(model=model, tasks=[task], task_manager=manager, bootstrap_iters=0)
    samples = {}
    for s in results["samples"][task]:
        samples.setdefault(s["doc_id"], s)
    return [samples[i] for i in range(len(rows))], results["results"][task]


def write_lines(path, rows):
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=False) + "\n")


def golden(name, sample):
    """An item: one context where all are equal."""
    contexts = [a[0] for a in sample["arguments"]]
    if name == "wikitext2":
        return {"continuations": contexts, "words": sample["word_perplexity"][1], "bytes": sample["byte_perplexity"][1]}
    item = {"contexts": contexts if len(set(contexts)) > 1 else contexts[:1]}
    if name == "triviaqa":
        return {**item, "until": sample["arguments"][0][1]["until"], "answers": sample["target"]}
    item["continuations"] = [a[1] for a in sample["arguments"]]
    item["logprobs"] = [r[0][0] for r in sample["resps"]]
    if name == "lambada_openai":
        return item
    doc = sample["doc"]
    if name == "winogrande":
        item["gold"] = int(doc["answer"]) - 1
    else:
        item["gold"] = int(doc["label"] if name in ("copa", "wsc273") else sample["target"])
    item.update({k: sample[k] for k in ("acc", "acc_norm") if k in sample})
    return item


def digest(items):
    """A hash of all prompts and golds of a data set."""
    h = hashlib.sha256()
    for item in items:
        continuations = item.get("continuations", [""])
        contexts = item.get("contexts", [""])
        for i, text in enumerate(continuations):
            h.update((contexts[i % len(contexts)] + "\0" + text + "\0").encode())
        h.update(f"{item.get('gold', 0)}\n".encode())
    return h.hexdigest()


def normalized(text):
    """SQuAD's normalize_answer."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(prediction, answer):
    p, a = normalized(prediction).split(), normalized(answer).split()
    same = sum((collections.Counter(p) & collections.Counter(a)).values())
    if same == 0:
        return 0
    precision, recall = same / len(p), same / len(a)
    return 2 * precision * recall / (precision + recall)


def answers():
    cases = []
    for text, aliases in [
        ("Paris", ["paris", "Paris, France"]), (" the Eiffel Tower ", ["Eiffel Tower", "La tour Eiffel"]),
        ("The The", ["The The"]), ("a", ["an"]), ("", ["x"]), ("?", ["!"]), ("U.S.A", ["USA"]),
        ("ÉCOLE", ["école"]), ("New York City", ["York", "new   york"]), ("to be or not to be", ["to be"]),
        ("it's", ["its"]), ("a\u2013b the", ["b"]), ("ΟΔΟΣ", ["οδος", "οδοσ"]), ("an_the", ["the"]),
        ("theatre", ["the atre"]), ("x\u00a0y", ["x y"]), ("“quoted”", ["quoted"]), ("1,000", ["1000"]),
        ("The Beatles", ["Beatles"]), ("\u001cStraße", ["STRASSE", "strasse", "straße"]),
    ]:
        score = lm_eval.api.metrics.exact_match_hf_evaluate(
            predictions=[text.strip()] * len(aliases), references=aliases, ignore_case=True, ignore_punctuation=True
        )["exact_match"]
        cases.append({"text": text, "answers": aliases, "exact_match": float(score > 0), "f1": max(f1(text, a) for a in aliases)})
    return cases


def python():
    rnd = random.Random(1234)
    draws = [{"n": n, "k": k, "drawn": rnd.sample(range(n), k)} for n, k in
             [(10, 3), (21, 5), (22, 5), (85, 6), (86, 6), (300, 65), (2000, 65), (7, 7), (1, 1), (1 << 20, 20), (1045, 2), (277, 64), (278, 64)]]
    words = ["", "aBC dEF", "éCOLE", "ǆUNGLA", "ßTRASSE", "ΟΔΟΣ ΟΔΟΣ", "İstanbul", "50 CENT", " lead", "ŉgoro", "\"QUOTE"]
    return {
        "seed": 1234,
        "samples": draws,
        "case": [{"text": w, "lower": w.lower(), "capitalize": w.capitalize()} for w in words],
        "space": [c for c in range(0x3100) if chr(c).isspace()],
    }


def write_json(path, value):
    pathlib.Path(path).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    for folder in ("records", "hub", "golden"):
        (HERE / folder).mkdir(exist_ok=True)
    write_json(HERE / "python.json", python())
    write_json(HERE / "answers.json", answers())
    whole = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, definition, split, read in TASKS:
            records, rows = read()
            picked = chosen(name, rows)
            few = [rows[i] for i in picked]
            if name == "wikitext2":
                text = "\n".join(records[i] for i in picked) + "\n"
                few = [{"page": p} for p in pages_of(text)]
                write_wikitext(text)
            else:
                write_records(name, [records[i] for i in picked], few)
            samples, totals = harness(folder, name, definition, split, few)
            items = [golden(name, s) for s in samples]
            if name == "lambada_openai":
                write_json(HERE / "golden" / "lambada_openai.totals.json", {"perplexity": totals["perplexity,none"]})
            write_lines(HERE / "golden" / f"{name}.jsonl", items)
            if len(rows) > len(picked):
                samples, _ = harness(folder, name, definition, split, rows)
                whole[name] = digest([golden(name, s) for s in samples])
            for shots, train in SHOTS.get(name, []):
                write_shots(folder, name, definition, split, few, rows[1000 : 1000 + train], shots)
            if name == "triviaqa":
                samples, _ = harness(folder, name, definition, split, rows, None, 5)
                whole["triviaqa_5shot"] = digest([golden(name, s) for s in samples])
    write_json(HERE / "all.json", whole)


def write_shots(folder, name, definition, split, rows, train, shots):
    """Prompts with examples; the records lie with the training split in a folder."""
    if name == "triviaqa":
        train = [{**r, "answer": {**r["answer"], "aliases": r["answer"]["aliases"][:2]}} for r in train]
    records = HERE / "shots" / name
    records.mkdir(parents=True, exist_ok=True)
    write_lines(records / "scored.jsonl", rows)
    if train:
        write_lines(records / "train.jsonl", train)
    samples, _ = harness(folder, name, definition, split, rows, train, shots)
    write_lines(HERE / "golden" / f"{name}_{shots}shot.jsonl", [hashed(a[0]) for s in samples for a in s["arguments"]])


def hashed(context):
    """A long context's hash, and its end."""
    return {"sha256": hashlib.sha256(context.encode()).hexdigest(), "end": context[-200:]}


def write_records(name, records, rows):
    write_lines(HERE / "records" / f"{name}.jsonl", records)
    if name in ("piqa", "social_iqa"):
        (HERE / "records" / f"{name}-labels.lst").write_text("".join(f"{r['label']}\n" for r in rows))
    write_parquet(name, rows)


def write_wikitext(text):
    """The raw file, and Hugging Face's rows: a line each, blank ones empty."""
    (HERE / "records" / "wiki.test.raw").write_bytes(text.encode())
    write_parquet("wikitext2", [{"text": line if line.strip() else ""} for line in text.splitlines(keepends=True)])


def write_parquet(name, rows):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), HERE / "hub" / f"{name}.parquet", compression="zstd")


if __name__ == "__main__":
    main()
