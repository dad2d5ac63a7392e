"""Goldens of @vlmopt/quant's NF4 and FP4, by bitsandbytes' PyTorch ("default") backend.

    python3 tools/reference/quant_bitsandbytes.py        (needs bitsandbytes and torch; writes packages/quant/goldens/bitsandbytes.json.gz)

The native library of bitsandbytes is kept from loading, so that every operation runs as plain PyTorch: IEEE arithmetic without fused
or approximate instructions, whose bits are the same on every machine.
"""

import base64
import ctypes
import gzip
import hashlib
import json
import os
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"
import torch  # noqa: E402
from quant_inputs import DTYPES, bell, patterns_below  # noqa: E402

load_library = ctypes.cdll.LoadLibrary


def no_bitsandbytes_library(path, *rest):
    if "bitsandbytes" in str(path):
        raise OSError("kept from loading")
    return load_library(path, *rest)


ctypes.cdll.LoadLibrary = no_bitsandbytes_library
import bitsandbytes  # noqa: E402
from bitsandbytes import functional  # noqa: E402

# Of the smallest blocks there are more than the 256 that nested quantization takes together; every last block is a partial one.
COUNTS = {32: 9001, 64: 3001, **{block: block + 37 for block in (128, 256, 512, 1024, 2048, 4096)}}
INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32}


def raw(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(INTEGERS[tensor.element_size()]).numpy().tobytes()


def text(tensor: torch.Tensor) -> str:
    return base64.b64encode(raw(tensor)).decode()


def encode(x: torch.Tensor, kind: str, block: int) -> dict:
    packed, state = functional.quantize_4bit(x, blocksize=block, quant_type=kind)
    return {"kind": kind, "blockSize": block, "codes": text(packed), "absmax": text(state.absmax)}


def random_case(dtype: str, kind: str, block: int, count: int) -> dict:
    x = torch.from_numpy(bell(count, block + count)).to(DTYPES[dtype])
    case = {"dtype": dtype, "count": count, "seed": block + count, **encode(x, kind, block)}
    nested_packed, nested = functional.quantize_4bit(x, blocksize=block, quant_type=kind, compress_statistics=True)
    case["nested"] = {
        "codes": text(nested.absmax),
        "absmax": text(nested.state2.absmax),
        "offset": text(nested.offset.reshape(1)),
    }
    packed, plain = functional.quantize_4bit(x, blocksize=block, quant_type=kind)
    assert torch.equal(packed, nested_packed)
    case["decoded"] = {}
    case["nestedDecoded"] = {}
    for name, target in DTYPES.items():
        for key, state in (("decoded", plain), ("nestedDecoded", nested)):
            state.dtype = target
            out = functional.dequantize_4bit(packed, state)
            case[key][name] = hashlib.sha256(raw(out)).hexdigest()
    return case


def edge_cases() -> dict:
    """Blocks of 32 by name: how they begin (the rest are zeros), or a whole tensor shorter than a block."""
    inputs = {
        "zeros": [0.0] * 32,
        "negative zeros": [-0.0] * 32,
        "smallest number": [1e-45, -1e-45] + [0.0] * 30,
        "below 1e-38": [9e-39, -4e-39, 2e-39, 1e-40] + [0.0] * 28,
        "largest number": [3.4028234663852886e38, -1.7e38, 1e38, 3e37, -3e36] + [0.0] * 27,
        "one element": [-0.3],
        "a tail of zeros": [1.0] * 32 + [0.0] * 5,
        "a tail below 1e-38": [1.0] * 32 + [5e-39, -2e-39, 1e-39],
        "a tail that division rounds otherwise": bell(45, 7).tolist(),
    }
    return inputs


def main() -> None:
    exhaustive = []
    largest = {"BF16": [0x7F7F, 0x4049, 0x3F80, 0x3D2B, 0x0080, 0x0003], "F16": [0x7BFF, 0x4248, 0x3C00, 0x2A66, 0x0400, 0x0007]}
    for dtype, patterns in largest.items():
        for pattern in patterns:
            for kind in ("nf4", "fp4"):
                x = patterns_below(dtype, pattern, 64)
                case = encode(x, kind, 64)
                del case["absmax"]
                exhaustive.append({"dtype": dtype, "largest": pattern, **case})
    random = [
        random_case(dtype, kind, block, count)
        for kind in ("nf4", "fp4")
        for dtype in DTYPES
        for block, count in COUNTS.items()
    ]
    edges = []
    for name, values in edge_cases().items():
        for kind in ("nf4", "fp4"):
            edges.append({"name": name, "values": values, **encode(torch.tensor(values, dtype=torch.float32), kind, 32)})
    golden = {
        "bitsandbytes": bitsandbytes.__version__,
        "torch": torch.__version__,
        "dynamicMap": text(functional.create_dynamic_map()),
        "exhaustive": exhaustive,
        "random": random,
        "edges": edges,
    }
    path = Path(__file__).parents[2] / "packages/quant/goldens/bitsandbytes.json.gz"
    path.write_bytes(gzip.compress(json.dumps(golden).encode(), 9, mtime=0))
    print(f"{path}: {path.stat().st_size} bytes")


main()
