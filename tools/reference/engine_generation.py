"""What generate() of transformers makes of generation_config.json: greedy tokens of a fixture, and how tokens would be drawn.

Needs: torch, transformers (see requirements.txt).
Run:   python3 tools/reference/engine_generation.py
Writes packages/engine/goldens/generation.json
"""

import json
import logging
from pathlib import Path

import torch
import transformers
from engine_models import CASES, ROOT

NEW_TOKENS = 24
# A token that the fixtures do not choose, and one that they do.
END, EARLY_END = 44, 8

FILES = [
    {},
    {"repetition_penalty": 1.5},
    {"repetition_penalty": 0.7},
    {"repetition_penalty": 1.05, "no_repeat_ngram_size": 3},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"bad_words_ids": "from greedy"},
    {"eos_token_id": EARLY_END, "bad_words_ids": [[EARLY_END], [7]]},
    {"suppress_tokens": "from greedy"},
    {"begin_suppress_tokens": "first of greedy"},
    {"eos_token_id": EARLY_END},
    {"eos_token_id": [EARLY_END, 71], "min_length": 30},
    {"eos_token_id": EARLY_END, "min_length": 22, "min_new_tokens": 4},
    {"eos_token_id": EARLY_END, "min_new_tokens": 9},
    {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "eos_token_id": EARLY_END, "min_length": 25, "suppress_tokens": [3, 5], "begin_suppress_tokens": [66]},
    {"repetition_penalty": None, "no_repeat_ngram_size": None, "suppress_tokens": None, "bad_words_ids": None, "min_length": None},
]
DRAWN = [
    {},
    {"do_sample": True},
    {"do_sample": True, "temperature": 0.1, "top_p": 0.001, "top_k": 1, "repetition_penalty": 1.05},
    {"do_sample": True, "temperature": 0.7, "top_p": 0.9},
    {"do_sample": True, "top_k": 0},
    {"do_sample": True, "top_k": None, "temperature": None},
]


def prepared(name):
    folder = ROOT / "fixtures" / "checkpoints" / name
    auto = transformers.AutoModelForCausalLM if name == "llama" else transformers.AutoModelForImageTextToText
    model = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    case = CASES[name][0]
    ids = torch.tensor([case["ids"]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "pixels" in case:
        inputs["pixel_values"] = case["pixels"]
    return model, inputs


def generate(model, inputs, file):
    config = transformers.GenerationConfig(**{"eos_token_id": END, **file}, pad_token_id=0)
    with torch.inference_mode():
        tokens = model.generate(**inputs, generation_config=config, max_new_tokens=NEW_TOKENS)
    return tokens[0, inputs["input_ids"].shape[1]:].tolist()


def main():
    logging.disable(logging.WARNING)
    greedy = []
    for name in ["llama", "llava"]:
        model, inputs = prepared(name)
        plain = generate(model, inputs, {})
        stand_ins = {
            "bad_words_ids": [plain[2:4], plain[5:8], [plain[0]]],
            "suppress_tokens": [plain[1], plain[3]],
            "begin_suppress_tokens": [plain[0]],
        }
        for file in FILES:
            file = {key: stand_ins[key] if isinstance(value, str) else value for key, value in file.items()}
            greedy.append({"name": name, "file": {"eos_token_id": END, **file}, "tokens": generate(model, inputs, file)})
    drawn = []
    for file in DRAWN:
        config, _ = model._prepare_generation_config(transformers.GenerationConfig(**file))
        keys = ["do_sample", "temperature", "top_k", "top_p", "repetition_penalty"]
        drawn.append({"file": file, **{key: getattr(config, key) for key in keys}})
    target = ROOT / "packages" / "engine" / "goldens" / "generation.json"
    target.write_text(json.dumps({"greedy": greedy, "drawn": drawn}) + "\n")
    print(f"{target}: {target.stat().st_size} bytes, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
