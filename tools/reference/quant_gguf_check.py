"""Reads GGUF files that @vlmopt/quant wrote with the gguf package, and compares every tensor with the checkpoint that it was made of.

    python3 tools/reference/quant_gguf_check.py checkpoint-folder file.gguf…
        (needs gguf, numpy, safetensors and torch; run by the slow tests of @vlmopt/quant. Prints one line of JSON)

Of each file: its architecture, how many tokens its vocabulary has, the relative squared error of each tensor's decoded weights, and names that
are not the checkpoint's.
"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, dequantize, get_tensor_name_map
from gguf.constants import MODEL_ARCH
from safetensors.torch import load_file

PROJECTOR = {"mm.0": "linear_1", "mm.2": "linear_2"}


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys as llama.cpp's rotary embedding wants them."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def check(file: str, weights: dict[str, np.ndarray], text: dict) -> dict:
    reader = GGUFReader(file)
    arch = reader.fields["general.architecture"].contents()
    table = get_tensor_name_map(MODEL_ARCH.LLAMA if arch == "llama" else MODEL_ARCH.MMPROJ, 64)
    known = {}
    for name, weight in weights.items():
        stem, _, suffix = name.rpartition(".")
        if suffix not in ("weight", "bias"):
            stem, suffix = name, ""
        if "multi_modal_projector" in name:
            mapped = next(place for place, module in PROJECTOR.items() if module in name)
        elif "vision_tower" in name:
            mapped = table.get_name("vision_tower.vision_model." + stem.split("vision_model.")[-1].split("vision_tower.")[-1])
        else:
            place = stem.replace("model.language_model.", "model.").replace("language_model.model.", "model.")
            mapped = table.get_name(place.replace("language_model.lm_head", "lm_head"))
        known[f"{mapped}.{suffix}" if suffix else mapped] = weight
    errors, unknown = {}, []
    for tensor in reader.tensors:
        weight = known.get(tensor.name)
        if weight is None:
            unknown.append(tensor.name)
            continue
        if arch == "llama" and ".attn_q." in tensor.name:
            weight = interleaved(weight, text["num_attention_heads"])
        if arch == "llama" and ".attn_k." in tensor.name:
            weight = interleaved(weight, text["num_key_value_heads"])
        decoded = dequantize(tensor.data, tensor.tensor_type).astype(np.float64).reshape(weight.shape)
        errors[f"{tensor.name} {tensor.tensor_type.name}"] = float(((weight - decoded) ** 2).sum() / (weight**2).sum())
    tokens = reader.fields.get("tokenizer.ggml.tokens")
    return {"arch": arch, "tokens": 0 if tokens is None else len(tokens.data), "errors": errors, "unknown": unknown}


def main() -> None:
    folder = Path(sys.argv[1])
    config = json.loads((folder / "config.json").read_text())
    weights = {name: tensor.double().numpy() for name, tensor in load_file(folder / "model.safetensors").items()}
    print(json.dumps({file: check(file, weights, config.get("text_config", config)) for file in sys.argv[2:]}))


main()
