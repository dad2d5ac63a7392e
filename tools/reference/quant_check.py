"""Loads checkpoints that @vlmopt/quant wrote in stock transformers and compares their logits with those of the same weights dequantized.

    python3 tools/reference/quant_check.py <folder>
        (needs transformers, compressed-tensors, bitsandbytes, accelerate; for GPTQ and AWQ gptqmodel 7.7 and optimum 2.3)

`<folder>` holds pairs of checkpoints, `<name>` and `<name>-dequantized`. Prints one line of JSON: what failed, and the largest difference
of logits over the largest logit.
"""

import ctypes
import json
import logging
import sys
from pathlib import Path

import torch

load_library = ctypes.cdll.LoadLibrary


def no_bitsandbytes_library(path, *rest):
    """Its processor kernels refuse sizes as small as those of the fixtures; the PyTorch ones take any."""
    if "bitsandbytes" in str(path):
        raise OSError("kept from loading")
    return load_library(path, *rest)


ctypes.cdll.LoadLibrary = no_bitsandbytes_library
import transformers  # noqa: E402
from transformers import AutoConfig  # noqa: E402

warnings: list[str] = []


class Collect(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warnings.append(record.getMessage())


logging.getLogger("transformers").addHandler(Collect(level=logging.WARNING))


def load(folder: Path) -> torch.nn.Module:
    config = AutoConfig.from_pretrained(folder)
    model_class = getattr(transformers, config.architectures[0])
    model, info = model_class.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = {key: sorted(names) for key, names in info.items() if names}
    if wrong:
        raise AssertionError(f"{folder.name}: {wrong}")
    return model.eval()


def logits(model: torch.nn.Module) -> torch.Tensor:
    # Packed weights are unpacked before the first run of the whole model, of which this may be only a part.
    compressor = getattr(getattr(model, "hf_quantizer", None), "compressor", None)
    if compressor is not None and not model.hf_quantizer.quantization_config.dequantize:
        compressor.decompress_model(model)
        # Weights of NVFP4 and MXFP4 come out as BF16 whatever the model is.
        torch.nn.Module.float(model)
    config = model.config.get_text_config()
    tokens = torch.arange(4, 20).reshape(1, -1) % (config.vocab_size - 8)
    with torch.no_grad():
        if model.config.model_type == "blip-2":
            return model.language_model(input_ids=tokens).logits
        return model(input_ids=tokens).logits


def main() -> None:
    folder = Path(sys.argv[1])
    failures, largest = [], 0.0
    for dequantized in sorted(folder.glob("*-dequantized")):
        quantized = folder / dequantized.name.removesuffix("-dequantized")
        try:
            theirs, ours = logits(load(quantized)), logits(load(dequantized))
            difference = float((theirs - ours).abs().max() / ours.abs().max())
            largest = max(largest, difference)
            if not difference < 1e-3:
                failures.append(f"{quantized.name}: logits differ by {difference}")
        except Exception as error:  # noqa: BLE001
            failures.append(f"{quantized.name}: {type(error).__name__}: {str(error)[:400]}")
    print(json.dumps({"failures": failures, "largest": largest, "warnings": sorted(set(warnings))[:10]}))


main()
