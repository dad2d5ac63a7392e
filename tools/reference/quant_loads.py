"""Whether transformers loads folders, with every weight found: prints JSON, by folder true or why not.

    python3 tools/reference/quant_loads.py FOLDER…
        (needs torch, transformers, and what the folders' formats take, such as compressed-tensors)
"""

import json
import sys

import torch
import transformers
from transformers import AutoModelForImageTextToText


def loads(folder: str) -> bool | str:
    try:
        model, info = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
        lost = [name for key in ["missing_keys", "unexpected_keys", "mismatched_keys"] for name in info[key]]
        if lost:
            return f"{len(lost)} weights, such as {sorted(map(str, lost))[0]}"
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([[1, 20, 33]])).logits
        return True if bool(logits.isfinite().all()) else "logits that are not finite"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    transformers.logging.set_verbosity_error()
    print(json.dumps({folder: loads(folder) for folder in sys.argv[1:]}))


main()
