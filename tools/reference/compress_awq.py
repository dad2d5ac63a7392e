"""Searches AWQ's scales and clipping for small matrices, for @vlmopt/compress to be compared with.

    python3 tools/reference/compress_awq.py     (needs numpy; writes packages/compress/goldens/awq.json)

Formulas of llm-awq (quantize/auto_scale.py `_search_module_scale`, auto_clip.py `auto_clip_layer`, quantizer.py `pseudo_quantize_tensor`), in
doubles, on activations themselves rather than on sums of them; the loss is that of the linears' results.
"""

import base64
import json
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[2] / "packages/compress/goldens/awq.json"
BITS, GROUP = 3, 16


def text(array):
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def quantized(weight):
    groups = weight.reshape(-1, GROUP)
    high, low = groups.max(1, keepdims=True), groups.min(1, keepdims=True)
    most = 2**BITS - 1
    scales = np.maximum(high - low, 1e-5) / most
    zeros = np.clip(-np.round(low / scales), 0, most)
    return ((np.clip(np.round(groups / scales) + zeros, 0, most) - zeros) * scales).reshape(weight.shape)


def search_scales(x, weights, grid=20):
    mean_abs = np.abs(x).mean(0)
    tried = []
    for step in range(grid):
        ratio = step / grid
        scales = np.maximum(mean_abs**ratio, 1e-4)
        scales = scales / np.sqrt(scales.max() * scales.min())
        loss = sum((((quantized(w * scales) / scales - w) @ x.T) ** 2).sum() for w in weights)
        tried.append((loss, scales))
    return tried


def search_clipping(x, weight, grid=20, most_clipped=0.5):
    rows, columns = weight.shape
    best = np.full((rows, columns // GROUP), np.inf)
    ranges = np.zeros_like(best)
    largest = np.abs(weight).reshape(rows, -1, GROUP).max(2)
    inputs = x.reshape(len(x), -1, GROUP)
    for step in range(int(most_clipped * grid)):
        limit = largest * (1 - step / grid)
        wide = np.repeat(limit, GROUP, 1)
        found = quantized(np.clip(weight, -wide, wide))
        wrong = (found - weight).reshape(rows, -1, GROUP)
        errors = (np.einsum("tgi,rgi->trg", inputs, wrong) ** 2).sum(0)
        better = errors < best
        best[better], ranges[better] = errors[better], limit[better]
    wide = np.repeat(ranges, GROUP, 1)
    clipped = np.clip(weight, -wide, wide)
    return clipped, (((quantized(clipped) - weight) @ x.T) ** 2).sum()


def main():
    random = np.random.default_rng(5)
    tokens, columns = 96, 64
    x = random.standard_normal((tokens, columns)) @ random.standard_normal((columns, columns)) / 8
    x = (x * np.exp(random.standard_normal(columns))).astype(np.float32).astype(np.float64)
    x[:, 7] = (30 * x[:, 7]).astype(np.float32)
    # Long tails to one side: of a group that is clipped on both, zero would lie halfway between two levels, and rounding decide.
    weights = [
        (0.05 * (random.exponential(1, (rows, columns)) - 0.5)).astype(np.float32).astype(np.float64)
        for rows in (24, 8)
    ]
    tried = search_scales(x, weights)
    best = min(range(len(tried)), key=lambda step: tried[step][0])
    clipped, error = search_clipping(x, weights[0])
    print("nearest", tried[0][0], "best", best, tried[best][0], "clipped", error)
    assert best > 0
    golden = dict(
        bits=BITS,
        groupSize=GROUP,
        columns=columns,
        inputs=text(x),
        weights=[text(weight) for weight in weights],
        losses=[loss for loss, _ in tried],
        best=best,
        scales=tried[best][1].tolist(),
        clipped=text(clipped),
        clippedError=error,
    )
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(golden) + "\n")


main()
