"""Files written by Python's safetensors, which @vlmopt/tensor-io must read, and write again byte for byte.

    python3 tools/reference/tensor_io_goldens.py      (needs torch and safetensors; writes packages/tensor-io/goldens/*.safetensors)
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

GOLDENS = Path(__file__).parents[2] / "packages/tensor-io/goldens"


def every_dtype() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    tensors = {
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(3.25),
        "empty": torch.zeros(2, 0, 3),
        "complex64": torch.randn(2, 2, dtype=torch.complex64),
        "float64": torch.randn(3, dtype=torch.float64),
        "bfloat16": torch.randn(4, 5).to(torch.bfloat16),
        "float16": torch.randn(5).to(torch.float16),
        "float8_e4m3fn": torch.randn(7).to(torch.float8_e4m3fn),
        "float8_e5m2": torch.randn(7).to(torch.float8_e5m2),
        "float8_e8m0": torch.tensor([0.5, 1, 2, 4]).to(torch.float8_e8m0fnu),
        "float4": torch.arange(6, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
        "naïve.重み": torch.arange(3, dtype=torch.float32),
    }
    for dtype in [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64, torch.uint64]:
        tensors[str(dtype).removeprefix("torch.")] = torch.arange(6).reshape(2, 3).to(dtype)
    return tensors


def main() -> None:
    GOLDENS.mkdir(exist_ok=True)
    tensors = every_dtype()
    save_file(tensors, GOLDENS / "every-dtype.safetensors", metadata={"format": "pt"})
    golden = {}
    for path in sorted(GOLDENS.glob("*.safetensors")):
        raw = path.read_bytes()
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        data = raw[8 + int.from_bytes(raw[:8], "little") :]
        metadata = header.pop("__metadata__", {})
        golden[path.name] = {
            "metadata": metadata,
            "tensors": {
                name: {
                    "dtype": info["dtype"],
                    "shape": info["shape"],
                    "sha256": hashlib.sha256(data[slice(*info["data_offsets"])]).hexdigest(),
                }
                for name, info in header.items()
            },
        }
    golden["values"] = {
        name: tensors[name].to(torch.float32).flatten().tolist() for name in ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"]
    }
    (GOLDENS / "python-safetensors.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


main()
