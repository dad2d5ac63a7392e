"""Goldens of @vlmopt/quant's checkpoints: the tensors that compressed-tensors and bitsandbytes make of the fixture `llava`.

    python3 tools/reference/quant_checkpoints.py
        (needs compressed-tensors, bitsandbytes, safetensors and torch; writes packages/quant/goldens/checkpoints.json)

SHA-256 of every tensor that takes the place of a linear of the language model, by scheme. The native library of bitsandbytes is kept from
loading: its PyTorch code gives the same bits everywhere.
"""

import ctypes
import hashlib
import json
import os
import sys
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"
import torch  # noqa: E402

load_library = ctypes.cdll.LoadLibrary


def no_bitsandbytes_library(path, *rest):
    if "bitsandbytes" in str(path):
        raise OSError("kept from loading")
    return load_library(path, *rest)


ctypes.cdll.LoadLibrary = no_bitsandbytes_library
from bitsandbytes.functional import quantize_4bit  # noqa: E402
from compressed_tensors.compressors import BaseCompressor  # noqa: E402
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme  # noqa: E402
from compressed_tensors.quantization.utils import calculate_qparams  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def digest(tensor: torch.Tensor) -> str:
    flat = tensor.contiguous().reshape(-1)
    return hashlib.sha256(flat.view(INTEGERS[flat.element_size()]).numpy().tobytes()).hexdigest()


def compressed(weight: torch.Tensor, form: str, bits: int, group: int | None, symmetric: bool) -> dict[str, torch.Tensor]:
    strategy = {"strategy": "channel"} if group is None else {"strategy": "group", "group_size": group}
    args = QuantizationArgs(num_bits=bits, type="int", symmetric=symmetric, **strategy)
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    groups = weight.reshape(weight.shape[0], -1, group or weight.shape[1])
    scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), args)
    state = {"weight": weight, "weight_scale": scale, "weight_zero_point": zero}
    return BaseCompressor.get_value_from_registry(form).compress(state, scheme)


def four_bit(weight: torch.Tensor, kind: str, nested: bool) -> dict[str, torch.Tensor]:
    packed, state = quantize_4bit(weight, blocksize=64, quant_type=kind, compress_statistics=nested)
    parts = {f"weight.{name}": tensor for name, tensor in state.as_dict(packed=True).items()}
    return {"weight": packed, **parts}


SCHEMES = {
    "int4-g16": lambda weight: compressed(weight, "pack-quantized", 4, 16, True),
    "int4-g16-zero": lambda weight: compressed(weight, "pack-quantized", 4, 16, False),
    "int4-row": lambda weight: compressed(weight, "pack-quantized", 4, None, True),
    "int4-row-zero": lambda weight: compressed(weight, "pack-quantized", 4, None, False),
    "int8": lambda weight: compressed(weight, "int-quantized", 8, None, True),
    "nf4": lambda weight: four_bit(weight, "nf4", False),
    "fp4": lambda weight: four_bit(weight, "fp4", False),
    "nf4-dq": lambda weight: four_bit(weight, "nf4", True),
}


def main() -> None:
    root = Path(__file__).parents[2]
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "packages/quant/goldens/checkpoints.json"
    weights = load_file(root / "fixtures/checkpoints/llava/model.safetensors")
    linears = {name: weight for name, weight in weights.items() if "language_model" in name and "_proj.weight" in name}
    golden = {
        scheme: {
            name.removesuffix("weight") + part: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), digest(tensor)]
            for name, weight in sorted(linears.items())
            if ".1." in name
            for part, tensor in sorted(make(weight).items())
        }
        for scheme, make in SCHEMES.items()
    }
    output.write_text(json.dumps(golden, indent=1) + "\n")


main()
