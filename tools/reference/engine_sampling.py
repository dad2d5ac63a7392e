"""Goldens of @vlmopt/engine's sampling: the probabilities that transformers' warpers leave, and torch's uniform numbers.

    python3 tools/reference/engine_sampling.py
        (needs torch and transformers; writes packages/engine/goldens/sampling.json)
"""

import json
from pathlib import Path

import torch
import transformers as tf

ROOT = Path(__file__).resolve().parents[2]
CASES = [
    {"temperature": 1.0},
    {"temperature": 0.5, "topK": 7},
    {"temperature": 0.7, "topP": 0.9},
    {"temperature": 1.3, "topP": 0.95, "topK": 20},
    {"temperature": 0.9, "topP": 0.2},
    {"temperature": 2.0, "topP": 0.999, "topK": 3},
    {"temperature": 0.2, "topP": 0.99},
]


def probabilities(logits: torch.Tensor, case: dict[str, float]) -> torch.Tensor:
    warpers = tf.LogitsProcessorList([tf.TemperatureLogitsWarper(case["temperature"])])
    if "topK" in case:
        warpers.append(tf.TopKLogitsWarper(case["topK"]))
    if "topP" in case:
        warpers.append(tf.TopPLogitsWarper(case["topP"]))
    return warpers(None, logits[None])[0].softmax(-1)


def distributions(seed: int) -> dict:
    torch.manual_seed(seed)
    # No two are equal: of those, transformers keeps all where topK ends.
    logits = (torch.randperm(400)[:60].double() / 40 - 5).round(decimals=3)
    return {
        "logits": logits.tolist(),
        "cases": [{**case, "probabilities": [round(p, 9) for p in probabilities(logits, case).tolist()]} for case in CASES],
    }


def uniforms(seed: int) -> dict:
    torch.manual_seed(seed)
    return {"seed": seed, "numbers": torch.rand(5).tolist()}


found = {
    "distributions": [distributions(seed) for seed in range(2)],
    "uniforms": [uniforms(seed) for seed in (0, 1, 7, 123456789)],
}
(ROOT / "packages" / "engine" / "goldens" / "sampling.json").write_text(json.dumps(found) + "\n")
