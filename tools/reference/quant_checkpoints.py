"""Goldens of @vlmopt/quant's checkpoints: the tensors that compressed-tensors and bitsandbytes make of the fixture `llava`, and those of GPTQ and AWQ.

    python3 tools/reference/quant_checkpoints.py
        (needs compressed-tensors, bitsandbytes, safetensors and torch; writes packages/quant/goldens/checkpoints.json)

SHA-256 of every tensor that takes the place of a linear of the language model, by scheme. The native library of bitsandbytes is kept from
loading: its PyTorch code gives the same bits everywhere. Numbers of GPTQ and AWQ are rounded as compressed-tensors does, with scales in F16, and
packed here as their formats are published: AutoGPTQ 0.7 `QuantLinear.pack`, AutoAWQ 0.2 `WQLinear_GEMM.from_linear`.
"""

import ctypes
import hashlib
import json
import os
import sys
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"
import numpy as np  # noqa: E402
import quant_e2m1  # noqa: E402
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


def grouped_int4(weight: torch.Tensor, group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers [in, out], scales F16 [in / group, out] and zero points [in / group, out]."""
    groups = weight.reshape(weight.shape[0], -1, group)
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    scale = (high - low).half() / 15
    zero = (8 + (-8 - (low / scale.float()).half())).float().round().clamp(0, 15)
    numbers = (groups / scale.float()[..., None] + (zero - 8)[..., None]).round().clamp(-8, 7) + 8
    return numbers.reshape(weight.shape).T.int().numpy(), scale.T.contiguous().numpy(), zero.T.int().numpy()


def gptq(weight: torch.Tensor, group: int) -> dict[str, torch.Tensor]:
    numbers, scales, zeros = grouped_int4(weight, group)
    inputs, outputs = numbers.shape
    assert zeros.min() >= 1
    qweight = np.zeros((inputs // 8, outputs), np.uint32)
    for i in range(inputs):
        qweight[i // 8] |= numbers[i].astype(np.uint32) << 4 * (i % 8)
    qzeros = np.zeros((zeros.shape[0], outputs // 8), np.uint32)
    for o in range(outputs):
        qzeros[:, o // 8] |= (zeros[:, o] - 1).astype(np.uint32) << 4 * (o % 8)
    parts = {"qweight": qweight.view(np.int32), "qzeros": qzeros.view(np.int32), "scales": scales}
    parts["g_idx"] = np.arange(inputs, dtype=np.int32) // group
    return {name: torch.from_numpy(array) for name, array in parts.items()}


def awq(weight: torch.Tensor, group: int) -> dict[str, torch.Tensor]:
    numbers, scales, zeros = grouped_int4(weight, group)

    def packed(matrix: np.ndarray) -> np.ndarray:
        words = np.zeros((matrix.shape[0], matrix.shape[1] // 8), np.uint32)
        for place, output in enumerate((0, 2, 4, 6, 1, 3, 5, 7)):
            words |= matrix[:, output::8].astype(np.uint32) << 4 * place
        return words.view(np.int32)

    parts = {"qweight": packed(numbers), "qzeros": packed(zeros), "scales": scales}
    return {name: torch.from_numpy(array) for name, array in parts.items()}


def nvfp4(name: str, linears: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Linears of one input have one global scale, as llm-compressor's `update_fused_layer_weight_global_scales` gives them."""
    sets = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
    parent, kind = name.removesuffix(".weight").rsplit(".", 1)
    together = next((kinds for kinds in sets if kind in kinds), (kind,))
    joined = [linears[f"{parent}.{other}.weight"] for other in together]
    return quant_e2m1.compressed("nvfp4", linears[name], joined)


SCHEMES = {
    "int4-g16": lambda weight: compressed(weight, "pack-quantized", 4, 16, True),
    "int4-g16-zero": lambda weight: compressed(weight, "pack-quantized", 4, 16, False),
    "int4-row": lambda weight: compressed(weight, "pack-quantized", 4, None, True),
    "int4-row-zero": lambda weight: compressed(weight, "pack-quantized", 4, None, False),
    "int8": lambda weight: compressed(weight, "int-quantized", 8, None, True),
    "nf4": lambda weight: four_bit(weight, "nf4", False),
    "fp4": lambda weight: four_bit(weight, "fp4", False),
    "nf4-dq": lambda weight: four_bit(weight, "nf4", True),
    "gptq-g16-zero": lambda weight: gptq(weight, 16),
    "awq-g16": lambda weight: awq(weight, 16),
}


def main() -> None:
    root = Path(__file__).parents[2]
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "packages/quant/goldens/checkpoints.json"
    weights = load_file(root / "fixtures/checkpoints/llava/model.safetensors")
    linears = {name: weight for name, weight in weights.items() if "language_model" in name and "_proj.weight" in name}
    schemes = {scheme: lambda name, make=make: make(linears[name]) for scheme, make in SCHEMES.items()}
    schemes["nvfp4"] = lambda name: nvfp4(name, linears)
    golden = {
        scheme: {
            name.removesuffix("weight") + part: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), digest(tensor)]
            for name in sorted(linears)
            if ".1." in name
            for part, tensor in sorted(make(name).items())
        }
        for scheme, make in schemes.items()
    }
    output.write_text(json.dumps(golden, indent=1) + "\n")


main()
