"""Golden numbers of comparisons from scipy and statsmodels, as golden.json."""

import json

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(11)

tables = []
for a, b in [(0, 0), (0, 1), (5, 5), (1, 9), (9, 1), (3, 12), (40, 61), (120, 170), (812, 901), (2, 60)]:
    tables.append({"a": a, "b": b, "p": float(mcnemar([[30, a], [b, 20]], exact=True).pvalue)})

tasks = []
for n, pa, change in [(12, 0.5, 0.3), (200, 0.4, 0.1), (1172, 0.27, 0.2)]:
    a = (rng.random(n) < pa).astype(float)
    b = np.where(rng.random(n) < change, rng.random(n) < pa + 0.1, a).astype(float)
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    tasks.append({"a": a.tolist(), "b": b.tolist(), "difference": float((b - a).mean()), "stderr": float(stats.sem(b - a)),
                  "only_a": only_a, "only_b": only_b, "p": float(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue)})
for n, shift in [(15, 0.05), (62, 0.3)]:
    a = rng.normal(-40, 20, n)
    b = a + rng.normal(shift, 1, n)
    tasks.append({"a": a.tolist(), "b": b.tolist(), "difference": float((b - a).mean()), "stderr": float(stats.sem(b - a)),
                  "only_a": 0, "only_b": 0, "p": float(stats.ttest_rel(b, a).pvalue)})
# The average of eight tasks.
a = (rng.random((8, 300)) < 0.4).astype(float)
b = np.where(rng.random((8, 300)) < 0.15, rng.random((8, 300)) < 0.5, a).astype(float)
mean = float((b - a).mean(axis=1).mean())
stderr = float(np.sqrt((stats.sem(b - a, axis=1) ** 2).sum()) / 8)
average = {"a": a.tolist(), "b": b.tolist(), "difference": mean, "stderr": stderr, "p": float(2 * stats.norm.sf(abs(mean) / stderr))}

holm = multipletests([t["p"] for t in tasks], method="holm")[1].tolist()
json.dump({"mcnemar": tables, "tasks": tasks, "holm": holm, "average": average}, open("golden.json", "w"))
