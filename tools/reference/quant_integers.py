"""Goldens of @vlmopt/quant's int4 and int8: compressed-tensors' round-to-nearest, and ONNX Runtime's quantizer of MatMulNBits.

    python3 tools/reference/quant_integers.py
        (needs compressed-tensors, onnxruntime and torch; writes packages/quant/goldens/integers.json.gz)
"""

import base64
import gzip
import hashlib
import json
from pathlib import Path

import compressed_tensors
import numpy as np
import onnxruntime
import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import dequantize, quantize
from compressed_tensors.quantization.utils import calculate_qparams
from onnxruntime.capi._pybind_state import quantize_matmul_4bits
from quant_inputs import DTYPES, bell, patterns_below

INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32}


def text(tensor: torch.Tensor) -> str:
    flat = tensor.contiguous().reshape(-1)
    return base64.b64encode(flat.view(INTEGERS[flat.element_size()]).numpy().tobytes()).decode()


def compressed(x: torch.Tensor, bits: int, group: int, symmetric: bool) -> dict:
    rows, columns = x.shape
    strategy = {"strategy": "channel"} if group == columns else {"strategy": "group", "group_size": group}
    args = QuantizationArgs(num_bits=bits, type="int", symmetric=symmetric, **strategy)
    grouped = x.reshape(rows, columns // group, group)
    scale, zero = calculate_qparams(grouped.amin(-1), grouped.amax(-1), args)
    q = quantize(x, scale, zero, args, dtype=torch.int8)
    return {
        "bits": bits,
        "groupSize": group,
        "symmetric": symmetric,
        "codes": text(pack_to_int32(q, 4) if bits == 4 else q),
        "scales": text(scale),
        "zeroPoints": text(zero + 8 if not symmetric else zero),
        "packedZeroPoints": text(pack_to_int32(zero, 4, packed_dim=0)) if bits == 4 else "",
        "decoded": hashlib.sha256(base64.b64decode(text(dequantize(q, scale, zero, args)))).hexdigest(),
    }


def random_case(dtype: str, rows: int, columns: int, bits: int, group: int, symmetric: bool, largest: float) -> dict:
    """Of a bell's weights, scaled, the first group is made zeros and the last one positive."""
    seed = rows * columns + group
    x = torch.from_numpy(bell(rows * columns, seed)).mul(largest).to(DTYPES[dtype]).reshape(rows, columns)
    x[0, :group] = 0
    x[rows - 1, -group:] = x[rows - 1, -group:].abs()
    case = {"dtype": dtype, "rows": rows, "columns": columns, "seed": seed, "largest": largest}
    return {**case, **compressed(x, bits, group, symmetric)}


def exhaustive_case(dtype: str, largest: int, bits: int, symmetric: bool) -> dict:
    x = patterns_below(dtype, largest, 64).reshape(-1, 64)
    case = compressed(x, bits, 64, symmetric)
    return {"dtype": dtype, "largest": largest, **{key: case[key] for key in ("bits", "symmetric", "codes", "groupSize")}}


def matmul_nbits_case(dtype: str, rows: int, columns: int, group: int) -> dict:
    """Of a bell's weights the first group is made zeros, the second begins with its extremes, the third is full of ties."""
    x = torch.from_numpy(bell(rows * columns, group)).to(DTYPES[dtype])
    x[:group] = 0
    x[group : group + 2] = torch.tensor([3.5, -3.5])
    x[2 * group : 3 * group] = torch.round(x[2 * group : 3 * group] * 8) / 8
    x = x.reshape(rows, columns)
    codes = np.zeros((rows, columns // group, group // 2), dtype=np.uint8)
    scales = np.zeros(rows * columns // group, dtype=x.numpy().dtype)
    zeros = np.zeros(rows * (columns // group + 1) // 2, dtype=np.uint8)
    quantize_matmul_4bits(codes, np.ascontiguousarray(x.numpy().T), scales, zeros, group, rows, columns, True)
    return {
        "dtype": dtype,
        "count": rows * columns,
        "groupSize": group,
        "codes": text(torch.from_numpy(codes)),
        "scales": text(torch.from_numpy(scales)),
    }


def main() -> None:
    random = []
    for dtype in DTYPES:
        for symmetric in (True, False):
            for rows, columns, group in ((6, 256, 32), (4, 384, 64), (8, 256, 128), (3, 72, 24), (3, 160, 160), (1, 96, 96)):
                random.append(random_case(dtype, rows, columns, 4, group, symmetric, 1))
            random.append(random_case(dtype, 4, 128, 4, 32, symmetric, 2**-14))
        for rows, columns, group in ((4, 256, 256), (4, 256, 64), (3, 90, 90), (2, 60, 20)):
            random.append(random_case(dtype, rows, columns, 8, group, True, 1))
    exhaustive = []
    largest = {"BF16": [0x7E80, 0x4049, 0x3F80, 0x3D2B, 0x0300, 0x0003], "F16": [0x7BFF, 0x4248, 0x3C00, 0x2A66, 0x0400, 0x0007]}
    for dtype, patterns in largest.items():
        for pattern in patterns:
            exhaustive.append(exhaustive_case(dtype, pattern, 4, True))
            # The range of F16's largest numbers is infinite, and so would be the scale.
            if pattern != 0x7BFF:
                exhaustive.append(exhaustive_case(dtype, pattern, 4, False))
            exhaustive.append(exhaustive_case(dtype, pattern, 8, True))
    nbits = [matmul_nbits_case(dtype, 4, 512, group) for dtype in ("F32", "F16") for group in (16, 32, 64, 128, 256)]
    golden = {
        "compressed-tensors": compressed_tensors.__version__,
        "onnxruntime": onnxruntime.__version__,
        "random": random,
        "exhaustive": exhaustive,
        "matMulNBits": nbits,
    }
    path = Path(__file__).parents[2] / "packages/quant/goldens/integers.json.gz"
    path.write_bytes(gzip.compress(json.dumps(golden).encode(), 9, mtime=0))
    print(f"{path}: {path.stat().st_size} bytes")


main()
