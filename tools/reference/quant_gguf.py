"""Goldens of @vlmopt/quant's GGUF: what the gguf package encodes and decodes, a small file by its writer, and how far ggml's own K-quant
encoders are from the weights.

    python3 tools/reference/quant_gguf.py path/to/libggml-base.so
        (needs gguf, numpy and torch, and the shared library of a llama.cpp build, whose K-quant encoders the Python package lacks; the
        npm package node-llama-cpp carries one. Writes packages/quant/goldens/gguf.json.gz and packages/quant/goldens/gguf-small.gguf)
"""

import base64
import ctypes
import gzip
import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from quant_inputs import bell

GOLDENS = Path(__file__).parents[2] / "packages/quant/goldens"
ENCODED = [Type.Q4_0, Type.Q5_0, Type.Q8_0]
DECODED = [*ENCODED, Type.Q4_K, Type.Q6_K]


def text(data: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(data).view(np.uint8).tobytes()).decode()


def encoder_input() -> np.ndarray:
    """A bell's weights; of four blocks the first is zeros, the second of one value, the third full of ties, the fourth tiny."""
    weights = bell(64 * 256, 11)
    weights[:32] = 0
    weights[32:64] = -0.75
    weights[64:96] = np.arange(-16, 16) / 2
    weights[96:128] *= np.float32(2.0**-20)
    return weights


def pattern_blocks(kind: Type, count: int) -> np.ndarray:
    """Blocks of pseudorandom bytes whose F16 scales are finite: bit 14, the exponent's highest, is cleared."""
    size = gguf.GGML_QUANT_SIZES[kind][1]
    state, data = int(kind) + 1, np.empty(count * size, dtype=np.uint8)
    for i in range(data.size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        data[i] = state >> 24
    blocks = data.reshape(count, size)
    for place in {Type.Q4_K: [1, 3], Type.Q6_K: [209]}.get(kind, [1]):
        blocks[:, place] &= 0xBF
    return blocks


def squared_error(weights: np.ndarray, decoded: np.ndarray) -> float:
    x = weights.astype(np.float64)
    return float(((x - decoded) ** 2).sum() / (x**2).sum())


def ggml_errors(library: ctypes.CDLL, weights: np.ndarray) -> dict[str, float]:
    errors = {}
    for kind in [Type.Q4_K, Type.Q6_K]:
        encode = getattr(library, f"quantize_row_{kind.name.lower()}_ref".replace("_k_", "_K_"))
        encode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        block, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = np.zeros((weights.size // block, size), dtype=np.uint8)
        encode(weights.ctypes.data, blocks.ctypes.data, weights.size)
        errors[kind.name] = squared_error(weights, gguf.quants.dequantize(blocks, kind).reshape(-1))
    return errors


def small_file(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32("a.uint32", 4_000_000_000)
    writer.add_int32("a.int32", -5)
    writer.add_float32("a.float32", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "naïve ▁🦙")
    writer.add_uint64("a.uint64", 2**60 + 1)
    writer.add_float64("a.float64", 0.1)
    writer.add_array("an.array.of.strings", ["", "▁a", "<0x0A>"])
    writer.add_array("an.array.of.int32", [-1, 0, 7])
    writer.add_array("an.array.of.float32", [0.5, -1.5])
    matrix = bell(3 * 64, 5).reshape(3, 64)
    writer.add_tensor("vector", bell(5, 6))
    writer.add_tensor("matrix.f16", matrix.astype(np.float16))
    writer.add_tensor("matrix.q8_0", gguf.quants.quantize(matrix, Type.Q8_0), raw_dtype=Type.Q8_0)
    writer.add_tensor("cube", bell(2 * 3 * 4, 7).reshape(2, 3, 4))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    weights = encoder_input()
    normal = bell(64 * 256, 12)
    wide = normal.astype(np.float64)
    heavy = (wide * wide * wide).astype(np.float32)
    library = ctypes.CDLL(sys.argv[1])
    golden = {
        "encoded": {kind.name: text(gguf.quants.quantize(weights, kind)) for kind in ENCODED},
        "decoded": {
            kind.name: hashlib.sha256(
                gguf.quants.dequantize(pattern_blocks(kind, 64), kind).astype(np.float32).tobytes()
            ).hexdigest()
            for kind in DECODED
        },
        "ggmlErrors": {"bell": ggml_errors(library, normal), "cubed": ggml_errors(library, heavy)},
    }
    with gzip.GzipFile(GOLDENS / "gguf.json.gz", "wb", mtime=0) as file:
        file.write((json.dumps(golden) + "\n").encode())
    small_file(GOLDENS / "gguf-small.gguf")


main()
