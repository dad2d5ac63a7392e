"""What transformers 5 makes of configurations that leave a key out or say null: packages/models/goldens/configs.json.gz

    python3 tools/reference/models_configs.py      (needs torch and transformers 5)

Of each checkpoint in fixtures/, every key of config.json is left out once, and once is null; besides, some are written as older savers did.
Kept is what differs then in the configuration that transformers works with, or that it refuses: to load it, to make the model, or to run it.
"""

import copy
import gzip
import json
from pathlib import Path

import torch
import transformers as tf

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
TARGET = ROOT / "packages/models/goldens/configs.json.gz"
MODELS = ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "opt", "llava", "llava-next", "qwen2-vl", "qwen2_5-vl", "qwen3-vl",
          "paligemma", "paligemma2", "blip-2", "smolvlm"]
ENCODERS = ["bert", "roberta", "distilbert", "deberta", "deberta-v2", "gpt2", "clip"]
# Not of the forward pass, or what says which class reads the rest.
IGNORED = {"architectures", "dtype", "transformers_version", "model_type", "use_cache", "id2label", "label2id"}
# Models that are larger are not made in earnest.
LARGEST = 5e6

FLAT_QWEN = {"text_config": "gone"}
LINEAR = {"type": "linear", "factor": 2.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
SLIDING = {"use_sliding_window": True, "sliding_window": 8}

# Of each, edits by path; "gone" leaves the key out.
WRITTEN = {
    "llama": [
        {"rope_parameters": "gone", "rope_theta": 500000.0},
        {"rope_parameters": "gone", "rope_scaling": LINEAR},
        {"rope_parameters": "gone", "rope_scaling": LINEAR, "rope_theta": 500000.0},
        {"rope_parameters": LLAMA3},
        {"rope_parameters": {**LLAMA3, "original_max_position_embeddings": 64}, "rope_theta": 20000.0},
        {"rope_scaling": {**LINEAR, "rope_theta": 30000.0}},
        {"rope_scaling": {}},
        {"head_dim": "gone", "num_attention_heads": 3, "num_key_value_heads": "gone"},
        {"sliding_window": 4, "layer_types": ["sliding_attention"] * 3},
    ],
    "mistral": [
        {"sliding_window": 8},
        {"sliding_window": 8, "layer_types": ["full_attention", "sliding_attention", "full_attention"]},
        {"use_sliding_window": True, "sliding_window": None},
        {"attention_bias": True},
    ],
    "qwen2": [
        {**SLIDING, "layer_types": "gone", "max_window_layers": 1},
        {**SLIDING, "layer_types": None, "max_window_layers": 2},
        {**SLIDING, "layer_types": "gone", "max_window_layers": "gone"},
        {**SLIDING, "layer_types": "gone", "max_window_layers": 0},
        {**SLIDING, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
        {"use_sliding_window": False, "sliding_window": 8, "layer_types": "gone", "max_window_layers": 1},
        {"use_sliding_window": True, "sliding_window": "gone", "layer_types": "gone", "max_window_layers": 1},
        {"use_sliding_window": True, "sliding_window": None, "layer_types": "gone", "max_window_layers": 1},
        {"use_sliding_window": True, "sliding_window": None, "layer_types": ["sliding_attention"] * 3},
        {"layer_types": ["full_attention"] * 2},
        {"layer_types": ["strange_attention"] * 3},
        {"head_dim": 16},
        {"attention_bias": True},
    ],
    "qwen3": [{**SLIDING, "layer_types": "gone", "max_window_layers": 1}],
    "gemma": [{"hidden_act": "gelu"}, {"hidden_activation": "gelu"}, {"hidden_activation": None, "hidden_act": "gelu"},
              {"hidden_act": "silu"}, {"use_bidirectional_attention": True}, {"sliding_window": 8}],
    "gemma2": [{"layer_types": "gone", "sliding_window": 8}, {"hidden_act": "gelu"}, {"hidden_activation": "gelu"},
               {"sliding_window": None}, {"use_bidirectional_attention": True}],
    "qwen2-vl": [
        {"text_config.rope_parameters": "gone"},
        {"text_config.rope_parameters": "gone", "text_config.rope_theta": 20000.0},
        {"text_config.rope_parameters": "gone", "text_config.rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}},
        {**{f"text_config.{k}": v for k, v in SLIDING.items()}, "text_config.layer_types": "gone", "text_config.max_window_layers": 1},
        {"text_config.head_dim": 16},
        {"vision_config.rope_parameters": {"rope_theta": 5000.0}},
    ],
    "qwen2_5-vl": [
        {**{f"text_config.{k}": v for k, v in SLIDING.items()}, "text_config.layer_types": "gone", "text_config.max_window_layers": 1},
    ],
    "qwen3-vl": [
        {"text_config.rope_parameters": "gone", "text_config.rope_scaling": {"mrope_section": [1, 1, 2], "mrope_interleaved": True}},
        {"text_config.use_sliding_window": True, "text_config.sliding_window": 8, "text_config.layer_types": ["sliding_attention"] * 3},
    ],
    "paligemma": [{"text_config.hidden_act": "gelu"}, {"text_config.use_bidirectional_attention": False}],
    "paligemma2": [{"text_config.layer_types": "gone", "text_config.sliding_window": 8}],
    "llava": [{"text_config.tie_word_embeddings": True}, {"vision_feature_layer": [-2, -1]}],
}


def edited(config, edits):
    config = copy.deepcopy(config)
    for path, value in edits.items():
        *parents, key = path.split(".")
        part = config
        for name in parents:
            part = part[name]
        if value == "gone":
            part.pop(key, None)
        else:
            part[key] = value
    return config


def leaves(config, prefix=()):
    for key, value in config.items():
        if key in IGNORED or key.startswith("_pad"):
            continue
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from leaves(value, (*prefix, key))


def plain(value):
    if isinstance(value, dict):
        return {key: plain(of) for key, of in value.items() if key not in IGNORED - {"model_type"}}
    if isinstance(value, (list, tuple)):
        return [plain(of) for of in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def worked_with(config, kind):
    """The configuration that transformers works with."""
    loaded = tf.AutoConfig.for_model(**{**copy.deepcopy(config), "model_type": config["model_type"]})
    if kind == "encoder":
        auto = tf.AutoModelForCausalLM if config["model_type"] == "gpt2" else tf.AutoModel
    else:
        auto = tf.AutoModelForImageTextToText if "vision_config" in loaded.to_dict() else tf.AutoModelForCausalLM
    with torch.device("meta"):
        model = auto.from_config(loaded, attn_implementation="eager")
    if sum(p.numel() for p in model.parameters()) < LARGEST and config["model_type"] not in ["clip", "blip-2"]:
        model = auto.from_config(loaded, attn_implementation="eager").eval()
        with torch.inference_mode():
            ids = torch.tensor([list(range(3, 20))])
            extra = {"token_type_ids": torch.zeros_like(ids)} if config["model_type"] == "paligemma" else {}
            model(input_ids=ids, attention_mask=torch.ones_like(ids), **extra)
    return plain(loaded.to_dict())


def differences(base, found, prefix=()):
    for key in sorted({*base, *found}):
        path = (*prefix, key)
        a, b = base.get(key), found.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from differences(a, b, path)
        elif a != b or (key in found) != (key in base):
            yield ".".join(path), b


def outcome(config, kind, base):
    try:
        return {"effective": dict(differences(base, worked_with(config, kind)))}
    except Exception as error:
        return {"refused": str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__}


def main():
    goldens = {}
    for kind, folder, names in [("model", "checkpoints", MODELS), ("encoder", "encoders", ENCODERS)]:
        for name in names:
            config = json.loads((FIXTURES / folder / name / "config.json").read_text())
            base = worked_with(config, kind)
            cases = []
            for path in [".".join(path) for path in leaves(config)]:
                cases += [{path: "gone"}, {path: None}]
            cases += WRITTEN.get(name, [])
            goldens[f"{folder}/{name}"] = [{"edits": case, **outcome(edited(config, case), kind, base)} for case in cases]
            refused = sum("refused" in case for case in goldens[f"{folder}/{name}"])
            print(f"{name}: {len(cases)} cases, {refused} refused")
    TARGET.write_bytes(gzip.compress(json.dumps(goldens, indent=0).encode(), mtime=0))
    print(f"{TARGET}: {TARGET.stat().st_size} bytes, transformers {tf.__version__}")


main()
