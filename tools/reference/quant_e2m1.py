"""Goldens of @vlmopt/quant's NVFP4 and MXFP4: what compressed-tensors' compressors pack, and what they unpack.

    python3 tools/reference/quant_e2m1.py
        (needs compressed-tensors and torch; writes packages/quant/goldens/e2m1.json.gz)

Scales are found from extremes in float32, and weights are in their own dtype.
"""

import base64
import gzip
import hashlib
import json
import os
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"
import compressed_tensors  # noqa: E402
import torch  # noqa: E402
from compressed_tensors.compressors import BaseCompressor  # noqa: E402
from compressed_tensors.quantization import preset_name_to_scheme  # noqa: E402
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam  # noqa: E402
from quant_inputs import DTYPES, bell, patterns_below  # noqa: E402

GROUPS = {"nvfp4": 16, "mxfp4": 32}


def text(tensor: torch.Tensor) -> str:
    return base64.b64encode(tensor.contiguous().view(torch.uint8).numpy().tobytes()).decode()


def compressed(form: str, x: torch.Tensor, joined: list[torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
    """Tensors that take the place of a weight [out, in]; NVFP4's global scale is that of all the weights `joined`, itself alone unless told."""
    scheme = preset_name_to_scheme("NVFP4A16" if form == "nvfp4" else "MXFP4A16", ["Linear"])
    groups = x.float().reshape(x.shape[0], -1, GROUPS[form])
    state = {"weight": x}
    if form == "nvfp4":
        together = torch.cat([weight.float().reshape(-1) for weight in joined or [x]])
        state["weight_global_scale"] = generate_gparam(together.amin(), together.amax())
    state["weight_scale"], _ = calculate_qparams(
        groups.amin(-1), groups.amax(-1), scheme.weights, state.get("weight_global_scale")
    )
    return BaseCompressor.get_value_from_registry(f"{form}-pack-quantized").compress(state, scheme)


def decompressed(form: str, state: dict[str, torch.Tensor]) -> torch.Tensor:
    scheme = preset_name_to_scheme("NVFP4A16" if form == "nvfp4" else "MXFP4A16", ["Linear"])
    return BaseCompressor.get_value_from_registry(f"{form}-pack-quantized").decompress(state, scheme)["weight"]


def case(form: str, x: torch.Tensor) -> dict:
    state = compressed(form, x)
    return {
        "format": form,
        "codes": text(state["weight_packed"]),
        "scales": text(state["weight_scale"]),
        "globalScale": float(state["weight_global_scale"]) if form == "nvfp4" else 1,
        "decoded": hashlib.sha256(base64.b64decode(text(decompressed(form, state)))).hexdigest(),
    }


def main() -> None:
    random, exhaustive = [], []
    for form in GROUPS:
        for dtype in DTYPES:
            # Of a bell's weights, scaled, the first 32 are made zeros, and the next 32 eighths, among which are ties.
            for rows, columns, largest in ((5, 96, 1), (16, 512, 2**-5), (2, 64, 2**-12), (1, 96, 256)):
                x = torch.from_numpy(bell(rows * columns, rows * columns))
                x[:32] = 0
                x[32:64] = torch.round(x[32:64] * 8) / 8
                x = x.mul(largest).to(DTYPES[dtype]).reshape(rows, columns)
                random.append({"dtype": dtype, "rows": rows, "columns": columns, "largest": largest, **case(form, x)})
        largest = {"BF16": [0x4049, 0x3F80, 0x3D2B], "F16": [0x7000, 0x4248, 0x3C00, 0x2A66]}
        for dtype, patterns in largest.items():
            for pattern in patterns:
                x = patterns_below(dtype, pattern, GROUPS[form]).reshape(-1, GROUPS[form])
                golden = case(form, x)
                digests = {key: hashlib.sha256(base64.b64decode(golden[key])).hexdigest() for key in ("codes", "scales")}
                exhaustive.append({"dtype": dtype, "largest": pattern, "format": form, **digests})
    golden = {"compressed-tensors": compressed_tensors.__version__, "random": random, "exhaustive": exhaustive}
    path = Path(__file__).parents[2] / "packages/quant/goldens/e2m1.json.gz"
    path.write_bytes(gzip.compress(json.dumps(golden).encode(), 9, mtime=0))
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
