"""Golden numbers of the report's statistics from scipy, as statistics.json."""

import json

import numpy as np
from scipy import integrate, optimize, stats

rng = np.random.default_rng(7)
ALPHA, POWER = 0.05, 0.8


def power(effect, n):
    """Of the two-sided paired t-test: scipy's noncentral t gives NaN where the
    effect is large, so this integrates over the normal part of the statistic."""
    nu = n - 1
    c = stats.t.ppf(1 - ALPHA / 2, nu)
    delta = abs(effect) * np.sqrt(n)
    f = lambda z: stats.norm.pdf(z) * stats.chi2.cdf(nu * ((z + delta) / c) ** 2, nu)
    return integrate.quad(f, -10, 10, points=[max(-9.9, -delta)], epsabs=1e-12, limit=500)[0]


paired = []
for n, shift, spread in [(2, 0.3, 0.1), (3, 0.05, 0.02), (3, -0.01, 0.03), (5, 0.1, 0.2), (12, -0.4, 0.3)]:
    a = rng.normal(3.0, 0.1, n)
    d = rng.normal(shift, spread, n)
    b = a + d
    test = stats.ttest_rel(b, a)
    sd = float(np.std(b - a, ddof=1))
    mde = sd * optimize.brentq(lambda e: power(e, n) - POWER, 1e-9, 100)
    effect = float(np.mean(b - a)) / sd
    seeds = next((m for m in range(2, 1001) if power(effect, m) >= POWER), 0)
    paired.append({
        "differences": (b - a).tolist(), "mean": float(np.mean(b - a)), "se": float(stats.sem(b - a)),
        "p": float(test.pvalue), "mde": mde, "seeds": seeds,
    })

orders = []
for n, levels in [(3, 100), (6, 4), (8, 100), (8, 3)]:
    x = rng.integers(0, levels, n).astype(float)
    y = rng.integers(0, levels, n).astype(float)
    orders.append({
        "x": x.tolist(), "y": y.tolist(),
        "spearman": float(stats.spearmanr(x, y).statistic), "kendall": float(stats.kendalltau(x, y).statistic),
    })


def holm(p):
    order = np.argsort(p)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * np.asarray(p)[order]))
    return corrected.tolist()


p = [0.01, 0.04, 0.03, 0.005, 0.2]
with open("statistics.json", "w") as f:
    json.dump({
        "paired": paired, "orders": orders, "holm": {"p": p, "corrected": holm(p)},
        "power": [{"effect": e, "n": n, "power": power(e, n)} for e in (0.1, 0.8, 2, 6) for n in (2, 3, 5, 30, 500)],
    }, f, indent=1)
    f.write("\n")
