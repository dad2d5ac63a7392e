"""Intervals, p-values and corrections by scipy, statsmodels and numpy, over resamples that both sides draw alike.

    python3 tools/reference/metrics_statistics.py     (needs numpy, scipy, statsmodels; writes packages/metrics/goldens/statistics.json)
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

MASK = 0xFFFFFFFF


class Random:
    """xoshiro128** with splitmix32 seeding, as packages/metrics draws."""

    def __init__(self, seed: int):
        weyl = seed
        self.state = []
        for _ in range(4):
            weyl = (weyl + 0x9E3779B9) & MASK
            bits = ((weyl ^ (weyl >> 16)) * 0x21F0AAAD) & MASK
            bits = ((bits ^ (bits >> 15)) * 0x735A2D97) & MASK
            self.state.append(bits ^ (bits >> 15))

    def next(self) -> int:
        a, b, c, d = self.state
        product = (b * 5) & MASK
        result = ((((product << 7) | (product >> 25)) & MASK) * 9) & MASK
        shifted = (b << 9) & MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = ((d << 11) | (d >> 21)) & MASK
        self.state = [a, b, c, d]
        return result

    def below(self, count: int) -> int:
        limit = 2**32 - 2**32 % count
        drawn = self.next()
        while drawn >= limit:
            drawn = self.next()
        return drawn % count


def draw(count: int, resamples: int, seed: int, strata=None) -> np.ndarray:
    random = Random(seed)
    strata = strata or [""] * count
    pools = {name: [i for i in range(count) if strata[i] == name] for name in strata}
    return np.array([[pools[strata[i]][random.below(len(pools[strata[i]]))] for i in range(count)] for _ in range(resamples)])


def sign_flip(x: np.ndarray, y: np.ndarray) -> float:
    """All 2ⁿ ways to swap x and y of each item."""
    # Sums in another order differ in the last places: rounded, ties are ties.
    statistic = lambda a, b, axis: np.round(np.mean(b, axis=axis) - np.mean(a, axis=axis), 10)
    return float(stats.permutation_test((x, y), statistic, permutation_type="samples", n_resamples=np.inf, vectorized=True).pvalue)


def main() -> None:
    rng = np.random.default_rng(3)
    cases = []
    for count, shape in [(40, 2.0), (25, 0.5), (60, 5.0)]:
        x = np.round(rng.beta(shape, 2.0, count), 6)
        y = np.round(np.clip(x + rng.normal(0.03, 0.1, count), 0, 1), 6)
        strata = [["a", "b", "c"][i % 3] for i in range(count)]
        case = {"x": x.tolist(), "y": y.tolist(), "strata": strata, "intervals": {}}
        for kind, labels in [("plain", None), ("stratified", strata)]:
            drawn = draw(count, 1000, 12345, labels)
            means = x[drawn].mean(1)
            low, high = np.percentile(means, [2.5, 97.5])
            case["intervals"][kind] = [low, high]
            if labels is None:
                result = SimpleNamespace(bootstrap_distribution=means)
                bca = stats.bootstrap((x,), np.mean, n_resamples=0, bootstrap_result=result, method="BCa").confidence_interval
                case["intervals"]["bca"] = [bca.low, bca.high]
        case["exactRandomization"] = sign_flip(x[:12], y[:12])
        cases.append(case)
    # What some data sets of their own show: all of six better, ties, shares of ten people, 0/1.
    shares = np.array([0, 0.3, 0.6, 0.9, 1])
    paired = [
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.2, 0.35, 0.41, 0.6, 0.62, 0.9]),
        ([0, 0, 0.1, 0.2, 0.3, 0.3, 0.7], [0, 0.1, 0, 0.3, 0.1, 0.3, 0.9]),
        (rng.choice(shares, 16).tolist(), rng.choice(shares, 16).tolist()),
        (rng.integers(0, 2, 16).tolist(), rng.integers(0, 2, 16).tolist()),
    ]
    tables = [[40, 20, 9, 31], [50, 0, 6, 4], [3, 1, 1, 3], [900, 130, 90, 400], [0, 7, 0, 1], [20, 2500, 2400, 10]]
    counts = [(50, 50), (0, 20), (1, 20), (19, 20), (7, 23), (1, 1), (333, 1000)]
    p = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04]
    golden = {
        "cases": cases,
        "paired": [{"x": x, "y": y, "p": sign_flip(np.array(x), np.array(y))} for x, y in paired],
        "mcnemar": [{"table": t, "p": float(mcnemar([t[:2], t[2:]], exact=True).pvalue)} for t in tables],
        "agrestiCoull": [[hits, n, level, *map(float, proportion_confint(hits, n, 1 - level, "agresti_coull"))] for hits, n in counts for level in (0.95, 0.9)],
        "holm": {"p": p, "corrected": multipletests(p, method="holm")[1].tolist()},
        "normal": [[x, float(stats.norm.cdf(x))] for x in [-8.2, -3.7, -2.5, -1, -0.1, 0, 0.3, 1.96, 3.53, 3.54, 6]],
    }
    path = Path(__file__).parents[2] / "packages/metrics/goldens/statistics.json"
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
