"""Goldens of @vlmopt/quant's weights of 2, 3 and 8 bits and of 8-bit floats, as compressed-tensors and GPTQ's libraries store them.

    python3 tools/reference/quant_widths.py
        (needs compressed-tensors and torch; writes packages/quant/goldens/widths.json)

SHA-256 of every tensor that takes the place of a bell's weights, by case. Numbers of GPTQ are rounded as compressed-tensors does, with scales in
F16, and packed as gptqmodel 7.7 does (`PackableQuantLinear.pack_original`, whose loops stand below), zero points less 1.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.utils import calculate_qparams
from quant_inputs import DTYPES, bell

INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def digest(tensor: torch.Tensor) -> str:
    flat = tensor.contiguous().reshape(-1)
    return hashlib.sha256(flat.view(INTEGERS[flat.element_size()]).numpy().tobytes()).hexdigest()


def compressed(weight: torch.Tensor, form: str, kind: str, bits: int, group: int | None, symmetric: bool) -> dict:
    strategy = {"strategy": "channel"} if group is None else {"strategy": "group", "group_size": group}
    args = QuantizationArgs(num_bits=bits, type=kind, symmetric=symmetric, **strategy)
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    groups = weight.reshape(weight.shape[0], -1, group or weight.shape[1])
    scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), args)
    state = {"weight": weight, "weight_scale": scale, "weight_zero_point": zero}
    parts = BaseCompressor.get_value_from_registry(form).compress(state, scheme)
    return {name: tensor for name, tensor in parts.items() if symmetric is False or "zero_point" not in name}


def gptq_rows(numbers: np.ndarray, bits: int) -> np.ndarray:
    """uint32 [rows · bits / 32, columns] of numbers [rows, columns], as `pack_original` packs qweight."""
    numbers = numbers.astype(np.uint32)
    packed = np.zeros((numbers.shape[0] * bits // 32, numbers.shape[1]), np.uint32)
    if bits != 3:
        factor = 32 // bits
        for row in range(packed.shape[0]):
            for j in range(factor):
                packed[row] |= numbers[row * factor + j] << (bits * j)
        return packed
    i = row = 0
    while row < packed.shape[0]:
        for j in range(i, i + 10):
            packed[row] |= numbers[j] << (3 * (j - i))
        i += 10
        packed[row] |= numbers[i] << 30
        row += 1
        packed[row] |= (numbers[i] >> 2) & 1
        i += 1
        for j in range(i, i + 10):
            packed[row] |= numbers[j] << (3 * (j - i) + 1)
        i += 10
        packed[row] |= numbers[i] << 31
        row += 1
        packed[row] |= (numbers[i] >> 1) & 0x3
        i += 1
        for j in range(i, i + 10):
            packed[row] |= numbers[j] << (3 * (j - i) + 2)
        i += 10
        row += 1
    return packed


def gptq(weight: torch.Tensor, bits: int, group: int) -> dict:
    """Symmetric: absmax over half of the range in F16, the zero in the middle."""
    groups = weight.reshape(weight.shape[0], -1, group)
    scale = (groups.abs().amax(-1) / ((2**bits - 1) / 2)).half()
    half = 2 ** (bits - 1)
    numbers = ((groups / scale.float()[..., None]).round().clamp(-half, half - 1) + half).reshape(weight.shape).T.int().numpy()
    zeros = np.full(scale.T.shape, half - 1)
    parts = {"qweight": gptq_rows(numbers, bits).view(np.int32), "qzeros": np.ascontiguousarray(gptq_rows(zeros.T, bits).T).view(np.int32)}
    parts["g_idx"] = np.arange(weight.shape[1], dtype=np.int32) // group
    return {**{name: torch.from_numpy(array) for name, array in parts.items()}, "scales": scale.T}


def main() -> None:
    cases = []

    def add(scheme: str, dtype: str, rows: int, columns: int, make) -> None:
        seed = rows * columns + len(cases)
        weight = torch.from_numpy(bell(rows * columns, seed)).to(DTYPES[dtype]).reshape(rows, columns)
        tensors = {
            name: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), digest(tensor)]
            for name, tensor in sorted(make(weight).items())
        }
        cases.append({"scheme": scheme, "dtype": dtype, "rows": rows, "columns": columns, "seed": seed, "tensors": tensors})

    for bits in (2, 3, 8):
        for symmetric in (True, False):
            zero = "" if symmetric else "-zero"
            for group in (32, 64, 128, None):
                size = "row" if group is None else f"g{group}"
                # 72 rows fill no words of zero points, rows of 144 none of numbers of 3 bits.
                rows, columns = (72, 144) if group is None else (40, 256)
                dtype = "F32" if group == 64 else "BF16"
                add(
                    f"int{bits}-{size}{zero}", dtype, rows, columns,
                    lambda weight, bits=bits, group=group, symmetric=symmetric: compressed(
                        weight, "pack-quantized", "int", bits, group, symmetric
                    ),
                )  # fmt: skip
    for name, bits in (("gptq-int2-g64", 2), ("gptq-int3-g64", 3), ("gptq-g64", 4), ("gptq-int8-g64", 8)):
        add(name, "F32", 64, 256, lambda weight, bits=bits: gptq(weight, bits, 64))
    for scheme in ("fp8", "fp8-w8a16"):
        for dtype in ("BF16", "F32"):
            add(scheme, dtype, 40, 256, lambda weight: compressed(weight, "float-quantized", "float", 8, None, True))
    output = Path(__file__).parents[2] / "packages/quant/goldens/widths.json"
    output.write_text(json.dumps(cases, indent=1) + "\n")


main()
