"""Score a model by lm-evaluation-harness through mobilellm-serve and by transformers.

    python lm_eval_server.py --bin FOLDER --data FOLDER [--items N] MODEL

The harness asks the server for everything, the token ids too (`local-completions`
with the remote tokenizer), and must find the scores that it finds with the model in
transformers (`hf`) in float32. N items are half ARC-easy, half HellaSwag; DATA has
their files, since the harness is offline. Run it by lm_eval_server.sh.
"""

import argparse
import gzip
import json
import os
import pathlib
import sys
import tempfile

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}

import lm_eval
import lm_eval.tasks
import torch
from lm_eval.tasks.hellaswag.utils import preprocess

from checks import Checks
from serving import serving

LOG_PROBABILITY = 5e-3  # of a continuation's sum, of up to some hundred
torch.set_num_threads(2)


def lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as f:
        yield from map(json.loads, f)


def arc_easy(data):
    for d in lines(data / "arc_easy" / "test.jsonl.gz"):
        choices = d["question"]["choices"]
        yield {"query": f"Question: {d['question']['stem']}\nAnswer:", "choices": [c["text"] for c in choices],
               "gold": [c["label"] for c in choices].index(d["answerKey"])}


def hellaswag(data):
    for d in lines(data / "hellaswag" / "hellaswag_val_1000.jsonl.gz"):
        yield {"query": preprocess(f"{d['activity_label']}: {d['ctx_a']} {d['ctx_b'].capitalize()}"),
               "choices": [preprocess(e) for e in d["endings"]], "gold": int(d["label"])}


TASKS = {"arc_easy": arc_easy, "hellaswag": hellaswag}


def write_tasks(data, each, work):
    """The harness's own tasks, on files."""
    for name, items in TASKS.items():
        file = work / f"{name}.jsonl"
        file.write_text("".join(json.dumps(d) + "\n" for d, _ in zip(items(data), range(each))))
        task = {"task": "local_" + name, "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(file)}}, "output_type": "multiple_choice",
                "test_split": "test", "doc_to_text": "{{query}}", "doc_to_choice": "choices", "doc_to_target": "gold",
                "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm")]}
        (work / f"{name}.yaml").write_text(json.dumps(task))  # which is YAML


def scores(model, arguments, work, cache):
    os.environ["HF_DATASETS_CACHE"] = str(cache)
    return lm_eval.simple_evaluate(model=model, model_args=arguments, tasks=["local_" + n for n in TASKS], bootstrap_iters=0,
                                   task_manager=lm_eval.tasks.TaskManager(include_path=str(work), include_defaults=False))


def compare(c, ours, theirs):
    for name in TASKS:
        task = "local_" + name
        for metric in ("acc,none", "acc_norm,none"):
            a, b = ours["results"][task][metric], theirs["results"][task][metric]
            c.check(name, "lm-eval", metric.removesuffix(",none"), a == b, f"{a:.4f} by the server, {b:.4f} by transformers")
        answers = [[(float(p), bool(greedy)) for s in sorted(r["samples"][task], key=lambda s: s["doc_id"]) for p, greedy in s["filtered_resps"]]
                   for r in (ours, theirs)]
        c.close(name, "lm-eval", f"log-probabilities of {len(answers[0])} continuations", *([p for p, _ in a] for a in answers), LOG_PROBABILITY)
        c.check(name, "lm-eval", "which continuations are greedy", [g for _, g in answers[0]] == [g for _, g in answers[1]])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of our commands")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of the tasks' files")
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("model", type=pathlib.Path)
    args = parser.parse_args()
    if not 2 <= args.items <= 2000:
        parser.error(f"--items ({args.items}) must lie between 2 and 2000")
    c = Checks()
    with tempfile.TemporaryDirectory(prefix="mobilellm-lm-eval-") as folder:
        work = pathlib.Path(folder)
        write_tasks(args.data, args.items // 2, work)
        with serving(args.bin.resolve(), args.model) as url:
            ours = scores("local-completions", {"model": args.model.name, "base_url": url + "/v1/completions", "tokenizer_backend": "auto", "num_concurrent": 8}, work, work / "cache")
        theirs = scores("hf", {"pretrained": str(args.model), "dtype": "float32", "device": "cpu", "add_bos_token": False, "batch_size": 8}, work, work / "cache")
        compare(c, ours, theirs)
    print(f"{c.passed} passed, {c.failed} failed")
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(main())
