"""Intervals, p-values and corrections by scipy, statsmodels and numpy, over resamples that both sides draw alike.

    python3 tools/reference/metrics_statistics.py     (needs numpy, scipy, statsmodels; writes packages/metrics/goldens/statistics.json)
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

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
            differences = y[drawn].mean(1) - means
            seen = y.mean() - x.mean()
            case[f"p-{kind}"] = (int((np.abs(differences - differences.mean()) >= abs(seen)).sum()) + 1) / 1001
            if labels is None:
                result = SimpleNamespace(bootstrap_distribution=means)
                bca = stats.bootstrap((x,), np.mean, n_resamples=0, bootstrap_result=result, method="BCa").confidence_interval
                case["intervals"]["bca"] = [bca.low, bca.high]
        exact = stats.permutation_test((x[:12], y[:12]), lambda a, b: np.mean(b) - np.mean(a), permutation_type="samples", n_resamples=np.inf)
        case["exactRandomization"] = float(exact.pvalue)
        cases.append(case)
    p = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04]
    golden = {
        "cases": cases,
        "holm": {"p": p, "corrected": multipletests(p, method="holm")[1].tolist()},
        "normal": [[x, float(stats.norm.cdf(x))] for x in [-8.2, -3.7, -2.5, -1, -0.1, 0, 0.3, 1.96, 3.53, 3.54, 6]],
    }
    path = Path(__file__).parents[2] / "packages/metrics/goldens/statistics.json"
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
