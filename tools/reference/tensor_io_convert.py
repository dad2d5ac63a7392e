"""Goldens of @vlmopt/tensor-io's dtype conversions, by PyTorch.

    python3 tools/reference/tensor_io_convert.py        (needs torch and numpy; writes packages/tensor-io/goldens/convert.json)

For every pair of dtypes: the SHA-256 of PyTorch's output for every input pattern (16-bit and 8-bit sources), or for every pattern
of the upper 16 bits with six lower halves around the ties (F32 sources). NaN results are made one pattern first, since
PyTorch itself gives different payloads in its scalar and its vector code.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch

DTYPES = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
CANONICAL_NAN = {"F32": 0x7FC00000, "F16": 0x7E00, "BF16": 0x7FC0, "F8_E4M3": 0x7F, "F8_E5M2": 0x7F}
INTEGERS = {1: (torch.uint8, np.uint8), 2: (torch.int16, np.uint16), 4: (torch.int32, np.uint32)}
LOW_HALVES = [0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF]


def inputs(name: str) -> np.ndarray:
    size = DTYPES[name].itemsize
    if size == 1:
        return np.arange(256, dtype=np.uint8)
    if size == 2:
        return np.arange(65536, dtype=np.uint16)
    upper = np.arange(65536, dtype=np.uint32) << 16
    return np.concatenate([upper | low for low in LOW_HALVES]).astype(np.uint32)


def patterns(tensor: torch.Tensor, name: str) -> np.ndarray:
    torch_int, numpy_int = INTEGERS[DTYPES[name].itemsize]
    bits = tensor.view(torch_int).numpy().view(numpy_int).copy()
    bits[torch.isnan(tensor.to(torch.float32)).numpy()] = CANONICAL_NAN[name]
    return bits


def main() -> None:
    cases = []
    for source, source_dtype in DTYPES.items():
        bits = inputs(source)
        torch_int, _ = INTEGERS[source_dtype.itemsize]
        signed = bits.view(np.int16 if bits.itemsize == 2 else np.int32 if bits.itemsize == 4 else np.uint8)
        values = torch.from_numpy(signed.copy()).view(source_dtype)
        for target, target_dtype in DTYPES.items():
            if source == target:
                continue
            out = patterns(values.to(target_dtype), target)
            cases.append(
                {
                    "from": source,
                    "to": target,
                    "count": int(bits.size),
                    "sha256": hashlib.sha256(out.astype(out.dtype.newbyteorder("<")).tobytes()).hexdigest(),
                }
            )
    golden = {"torch": torch.__version__, "lowHalves": LOW_HALVES, "canonicalNan": CANONICAL_NAN, "cases": cases}
    path = Path(__file__).parents[2] / "packages/tensor-io/goldens/convert.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
