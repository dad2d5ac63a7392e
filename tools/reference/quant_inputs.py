"""Inputs that the quantization goldens share with the tests of @vlmopt/quant, which make the same ones in
packages/quant/src/test-support/inputs.ts: integers and exact sums only, so that no bit depends on a mathematical library.
"""

import numpy as np
import torch

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def bell(count: int, seed: int) -> np.ndarray:
    """float32 [count]: each the sum of four uniforms in [-1/2, 1/2) of 24 bits, times 2**-e with e = 0…3 by turns of 97 elements."""
    state = seed & 0xFFFFFFFF
    uniform = np.empty(4 * count, dtype=np.float64)
    for i in range(4 * count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        uniform[i] = (state >> 8) / 2**24 - 0.5
    scale = 2.0 ** -((np.arange(count) // 97) % 4)
    return (uniform.reshape(count, 4).sum(axis=1) * scale).astype(np.float32)


def patterns_below(dtype: str, largest: int, block: int) -> torch.Tensor:
    """Every 16-bit pattern whose magnitude is at most the pattern `largest`, ascending as integers, the negative ones after the
    positive ones, in blocks of `block` elements that `largest` leads; the last block is filled up with zeros."""
    magnitudes = np.arange(largest + 1, dtype=np.uint16)
    patterns = np.concatenate([magnitudes, magnitudes | 0x8000])
    rows = -(-patterns.size // (block - 1))
    padded = np.zeros(rows * (block - 1), dtype=np.uint16)
    padded[: patterns.size] = patterns
    blocks = np.concatenate([np.full((rows, 1), largest, dtype=np.uint16), padded.reshape(rows, block - 1)], axis=1)
    return torch.from_numpy(blocks.reshape(-1).view(np.int16).copy()).view(DTYPES[dtype])
