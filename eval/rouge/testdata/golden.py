# /// script
# dependencies = ["rouge-score==0.1.2"]
# ///
"""ROUGE-1 and ROUGE-L of pairs of texts, by PyPI's rouge-score."""

import json
import pathlib
import random

from rouge_score import rouge_scorer

PAIRS = [
    ("The cat sat on the mat.", "the cat was on a mat"),
    ("", ""), ("a", ""), ("", "a"), ("...", "!?"), ("same words", "same words"),
    ("Your table for 2 is booked at 11:30 am.", "Your table is booked for 11:30 AM, for 2."),
    ("I see that at 71 Saint Peter there is a good restaurant which is in San Jose.", "There is a good restaurant, 71 Saint Peter, in San Jose."),
    ("running runs", "run ran"), ("a a a b", "a b b"), ("snake_case under_score", "snake case under score"),
    ("Liège café naïve", "Liege cafe naive"), ("ＦＵＬＬ width", "full width"), ("İstanbul K Å", "i stanbul k a"),
    ("don't won't", "dont wont"), ("x\ny\tz", "z y x"), ("$2,977.94 last month", "$2977.94 last month"),
]


def main():
    scorer = rouge_scorer.RougeScorer(["rouge1", "rougeL"])
    rng = random.Random(1)
    words = "the a table is booked for two at noon in ghent yes no".split()
    pairs = PAIRS + [(" ".join(rng.choices(words, k=rng.randint(1, 14))), " ".join(rng.choices(words, k=rng.randint(1, 14)))) for _ in range(60)]
    rows = []
    for target, text in pairs:
        s = scorer.score(target, text)
        rows.append({"target": target, "text": text, "rouge1": s["rouge1"].fmeasure, "rougeL": s["rougeL"].fmeasure})
    path = pathlib.Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


main()
