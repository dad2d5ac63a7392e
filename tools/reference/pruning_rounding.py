"""Rounds small matrices by GPTQ, for @vlmopt/pruning to be compared with.

    python3 tools/reference/pruning_rounding.py     (needs llmcompressor; writes packages/pruning/goldens/rounding.json.gz)

Codes come from `quantize_weight` of llm-compressor (0.14, modifiers/gptq/gptq_quantize.py), with static activation order (`actorder: weight`) and
its damping of 0.01; scales are the observer's: the range of each group. Inputs are whole 64ths, so that their Gram matrices are exact in doubles.
"""

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.quantization import QuantizationArgs
from llmcompressor.modifiers.gptq.gptq_quantize import quantize_weight

TARGET = Path(__file__).parents[2] / "packages/pruning/goldens/rounding.json.gz"


def text(array, dtype):
    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


def matrix(name, rows, columns, tokens, bits, group, *, massive=(), seed=0):
    random = np.random.default_rng(seed)
    factors = random.standard_normal((tokens, columns // 3)) @ random.standard_normal((columns // 3, columns)) / 2
    inputs = factors + 0.5 * random.standard_normal((tokens, columns)) + random.standard_normal(columns) / 2
    inputs[:, list(massive)] *= 30
    inputs = np.clip(np.round(64 * inputs), -32768, 32767) / 64
    weight = (0.1 * random.standard_normal((rows, columns))).astype(np.float32)
    gram = inputs.T @ inputs
    groups = weight.reshape(rows, columns // group, group)
    low, high = np.minimum(groups.min(2), 0), np.maximum(groups.max(2), 0)
    scale = ((high - low) / (2**bits - 1)).astype(np.float32)
    zero = np.clip(np.round(-low / scale), 0, 2**bits - 1)
    args = QuantizationArgs(num_bits=bits, type="int", symmetric=False, strategy="group", group_size=group, actorder="weight")
    signed = torch.tensor(zero - 2 ** (bits - 1)).to(torch.int8)
    found, _, fallback = quantize_weight(
        torch.tensor(weight)[None].clone(),
        torch.tensor(2 * gram / tokens, dtype=torch.float32)[None],
        torch.tensor(scale)[None],
        signed[None],
        None,
        args,
    )
    assert not fallback.any()
    decoded = found[0].double().numpy()
    nearest = scale[:, :, None] * (np.clip(np.round(groups / scale[:, :, None]) + zero[:, :, None], 0, 2**bits - 1) - zero[:, :, None])
    error = lambda it: float(np.einsum("ri,ij,rj->", weight - it, gram, weight - it))
    print(name, "nearest", error(nearest.reshape(rows, columns)), "gptq", error(decoded))
    return dict(
        name=name,
        rows=rows,
        columns=columns,
        bits=bits,
        groupSize=group,
        inputs=text(64 * inputs, "<i2"),
        weight=text(weight, "<f4"),
        scales=text(scale, "<f4"),
        zeros=text(zero, "<f4"),
        nearest=error(nearest.reshape(rows, columns)),
        error=error(decoded),
        codes=text(np.round(decoded.reshape(groups.shape) / scale[:, :, None] + zero[:, :, None]), "u1"),
    )


goldens = [
    matrix("4 bits", 7, 32, 90, 4, 8, seed=1),
    matrix("3 bits, more than a tile", 12, 96, 200, 3, 32, massive=(5,), seed=2),
    matrix("2 bits", 9, 64, 130, 2, 16, seed=3),
]
TARGET.write_bytes(gzip.compress(json.dumps(goldens, separators=(",", ":")).encode(), mtime=0))
print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
