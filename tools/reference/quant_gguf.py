"""Goldens of @vlmopt/quant's GGUF: what the gguf package encodes and decodes, a small file by its writer, llama.cpp's names of tensors, how
far ggml's own K-quant encoders are from the weights, and a SentencePiece model with the tokenizer.json that transformers makes of it.

    python3 tools/reference/quant_gguf.py path/to/libggml-base.so
        (needs gguf, numpy, sentencepiece, torch and transformers, and the shared library of a llama.cpp build, whose K-quant encoders the
        Python package lacks; the npm package node-llama-cpp carries one. Writes packages/quant/goldens/gguf.json.gz,
        packages/quant/goldens/gguf-tokenizer.json.gz and packages/quant/goldens/gguf-small.gguf)
"""

import base64
import ctypes
import gzip
import hashlib
import io
import json
import sys
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
from gguf import GGMLQuantizationType as Type
from quant_inputs import bell
from transformers.convert_slow_tokenizer import generate_merges

GOLDENS = Path(__file__).parents[2] / "packages/quant/goldens"
ENCODED = [Type.Q4_0, Type.Q5_0, Type.Q8_0]
DECODED = [
    *[Type.F32, Type.F16, Type.BF16, *ENCODED, Type.Q4_1, Type.Q5_1],
    *[Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.TQ1_0, Type.TQ2_0],
    *[Type.IQ1_S, Type.IQ1_M, Type.IQ2_XXS, Type.IQ2_XS, Type.IQ2_S, Type.IQ3_XXS, Type.IQ3_S],
    *[Type.IQ4_NL, Type.IQ4_XS, Type.MXFP4, Type.NVFP4],
]
# Upper bytes of F16 numbers in a block, where they are others than the second.
HALF_PLACES = {
    **dict.fromkeys([Type.Q4_1, Type.Q5_1, Type.Q4_K, Type.Q5_K], [1, 3]),
    **{Type.F32: [3], Type.Q2_K: [81, 83], Type.Q3_K: [109], Type.Q6_K: [209], Type.TQ1_0: [53], Type.TQ2_0: [65]},
    # One has the highest bits of its number in the last byte; of the others one has an exponent of two, and one no bits that matter.
    **{Type.IQ1_M: [55], Type.MXFP4: [0], Type.NVFP4: []},
}


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
    for place in HALF_PLACES.get(kind, [1]):
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


LAYER = {
    "llama": [
        "input_layernorm",
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "post_attention_layernorm",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    ],
    "clip": [
        "layer_norm1",
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.out_proj",
        "layer_norm2",
        "mlp.fc1",
        "mlp.fc2",
    ],
}


def tensor_names() -> dict[str, str]:
    """llama.cpp's names, without the suffix, by those of transformers."""
    text = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    vision = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MMPROJ, 2)
    tower = "vision_tower.vision_model."
    body = [*["model.embed_tokens", "model.norm", "lm_head"], *[f"model.layers.1.{name}" for name in LAYER["llama"]]]
    parts = [
        *[tower + name for name in ["embeddings.class_embedding", "embeddings.patch_embedding", "embeddings.position_embedding"]],
        tower + "pre_layrnorm",
        *[f"{tower}encoder.layers.1.{name}" for name in LAYER["clip"]],
    ]
    return {name: table.get_name(name) for table, names in [(text, body), (vision, parts)] for name in names}


CORPUS = """A checkpoint is a stream of tensors, and a tensor is a stream of rows. What is written is written beside its place,
and takes that place when it is complete. Prune the neurons that nobody misses; quantize the weights that remain;
measure what it cost and what it bought: latency, memory, and the quality of the answers. The quick brown fox, 42 times over,
jumps over the lazy dog; the dog asks a question about the picture, and the answer streams back, token by token by token.
"""


def tokenizer() -> dict:
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.split("\n") * 4),
        model_writer=buffer,
        model_type="bpe",
        vocab_size=400,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=buffer.getvalue())
    ids = range(model.get_piece_size())
    kinds = [("unknown", model.is_unknown), ("control", model.is_control), ("byte", model.is_byte), ("normal", lambda _: True)]
    pieces = [[model.id_to_piece(i), model.get_score(i), next(kind for kind, holds in kinds if holds(i))] for i in ids]
    vocabulary = {text: i for i, (text, _, _) in enumerate(pieces)}
    merges = generate_merges(vocabulary, {text: score for text, score, _ in pieces})
    special = [{"id": i, "content": pieces[i][0], "special": True} for i in range(3)]
    json_form = {
        "added_tokens": [*special, {"id": len(pieces), "content": "<image>", "special": True}],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        },
        "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": True, "vocab": vocabulary, "merges": merges},
    }
    return {"model": base64.b64encode(buffer.getvalue()).decode(), "json": json_form, "pieces": pieces}


def write(name: str, golden: dict) -> None:
    # No name and no time go into the header of the archive: the same golden has the same bytes.
    with open(GOLDENS / name, "wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as archive:
        archive.write((json.dumps(golden) + "\n").encode())


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
        "names": tensor_names(),
        "ggmlErrors": {"bell": ggml_errors(library, normal), "cubed": ggml_errors(library, heavy)},
    }
    write("gguf.json.gz", golden)
    write("gguf-tokenizer.json.gz", tokenizer())
    small_file(GOLDENS / "gguf-small.gguf")


main()
