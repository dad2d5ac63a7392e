"""Fits and chooses columns of small layers in float64, for @vlmopt/pruning to be compared with.

    python3 tools/reference/pruning_refit.py        (needs numpy; writes packages/pruning/goldens/refit.json.gz)

Fits come from the tokens themselves, by numpy's least squares (SVD) of the tokens with the pull towards the old weights as further rows: they
owe nothing to Gram matrices and normal equations. Greedy OBS inverts what is left anew for each removal, without updates. Inputs are whole
64ths, so that their Gram matrices are exact in doubles.
"""

import base64
import gzip
import json
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[2] / "packages/pruning/goldens/refit.json.gz"


def text(array, dtype):
    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


def layer(name, channels, tokens, outputs, kept, *, rank=None, massive=(), seed=0):
    """Inputs with a mean and a few common factors, of which some channels are huge; weights; what the residual stream should get."""
    random = np.random.default_rng(seed)
    factors = random.standard_normal((tokens, rank or channels // 3)) @ random.standard_normal((rank or channels // 3, channels)) / 2
    inputs = factors + (0 if rank else 0.5 * random.standard_normal((tokens, channels))) + random.standard_normal(channels) / 2
    inputs[:, list(massive)] *= 300
    inputs = np.clip(np.round(64 * inputs), -32768, 32767) / 64
    weight = (0.1 * random.standard_normal((outputs, channels))).astype(np.float32)
    weight[:, list(massive)] /= 100
    target = inputs @ weight.T.astype(np.float64) + 0.3 * random.standard_normal((tokens, outputs)) + 0.2
    chosen = np.sort(random.permutation(channels)[:kept])
    return dict(name=name, inputs=inputs, weight=weight, target=target, kept=chosen)


def fitted(inputs, weight, target, kept, ridge_part, intercept):
    old = weight[:, kept].astype(np.float64)
    x, t = inputs[:, kept], target
    centre, aim = (x.mean(0), t.mean(0)) if intercept else (np.zeros(len(kept)), np.zeros(t.shape[1]))
    scale = ((x - centre) ** 2).sum(0).mean()
    pull = np.sqrt(ridge_part * scale)
    rows = np.vstack([x - centre, pull * np.eye(len(kept))])
    aims = np.vstack([t - aim, pull * old.T])
    new = np.linalg.lstsq(rows, aims, rcond=None)[0].T
    bias = aim - new @ centre
    energy = (t**2).sum()
    error = lambda w, b: ((t - x @ w.T - b) ** 2).sum() / energy
    result = dict(weight=text(new, "<f4"), before=error(old, 0), after=error(new, bias))
    return result | (dict(intercept=text(bias, "<f8")) if intercept else {})


def greedy(inputs, weight, unit, keep, partitions, damping=0.01):
    """Order in which units of `unit` columns go, each time that of the least cost."""
    weight = weight.astype(np.float64)
    gram = inputs.T @ inputs
    channels = gram.shape[0]
    hessian = gram + damping * np.diag(gram).mean() * np.eye(channels)
    units = channels // unit
    left = list(range(units))
    order = []
    quota = [(units - keep) // partitions] * partitions
    while len(left) > keep:
        columns = np.concatenate([np.arange(u * unit, (u + 1) * unit) for u in left])
        inverse = np.linalg.inv(hessian[np.ix_(columns, columns)])
        now = weight @ hessian[:, columns] @ inverse
        best = None
        for place, u in enumerate(left):
            if quota[u * partitions // units] == 0:
                continue
            span = slice(place * unit, (place + 1) * unit)
            cost = np.trace(now[:, span] @ np.linalg.solve(inverse[span, span], now[:, span].T))
            if best is None or cost < best[0]:
                best = (cost, u)
        order.append(best[1])
        quota[best[1] * partitions // units] -= 1
        left.remove(best[1])
    return dict(unit=unit, keep=keep, partitions=partitions, removed=order)


LAYERS = [
    layer("small", 24, 100, 8, 16, seed=1),
    layer("massive channels", 40, 120, 12, 29, massive=(3, 17), seed=2),
    layer("fewer tokens than columns", 64, 30, 10, 48, rank=12, seed=3),
    layer("more than a tile", 96, 144, 13, 71, massive=(80,), seed=4),
]

goldens = []
for it in LAYERS:
    inputs, weight, target, kept = it["inputs"], it["weight"], it["target"], it["kept"]
    channels = inputs.shape[1]
    local = inputs @ weight.T.astype(np.float64)
    everything = np.arange(channels)
    fits = []
    for ridge_part in (0.1, 0.01):
        for intercept in (False, True):
            for aim, values in (("local", local), ("residual", target)):
                fits.append(dict(target=aim, all=False, ridge=ridge_part, bias=intercept) | fitted(inputs, weight, values, kept, ridge_part, intercept))
    fits.append(dict(target="residual", all=True, ridge=0.1, bias=False) | fitted(inputs, weight, target, everything, 0.1, False))
    lost = np.setdiff1d(everything, kept)
    goldens.append(
        dict(
            name=it["name"],
            channels=channels,
            tokens=len(inputs),
            outputs=len(weight),
            inputs=text(64 * inputs, "<i2"),
            weight=text(weight, "<f4"),
            cross=text(target.T @ inputs, "<f8"),
            squares=(target**2).sum(),
            targetMean=text(target.mean(0), "<f8"),
            kept=kept.tolist(),
            compensation=text(weight[:, lost].astype(np.float64) @ inputs[:, lost].mean(0), "<f8"),
            fits=fits,
            greedy=[
                greedy(inputs, weight, 1, channels // 4, 1),
                greedy(inputs, weight, 1, channels // 2, 4),
                greedy(inputs, weight, 4, channels // 8, 1),
                greedy(inputs, weight, 4, channels // 8 - channels // 8 % 2, 2),
            ],
        )
    )

TARGET.write_bytes(gzip.compress(json.dumps(goldens, separators=(",", ":")).encode(), mtime=0))
print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
