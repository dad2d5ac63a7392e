"""Logits of checkpoints in fixtures/checkpoints whose config.json says other things, as transformers computes them in F32.

Needs: torch, transformers (see requirements.txt).
Run:   python3 tools/reference/engine_configurations.py
Writes packages/engine/goldens/configurations.json.gz
"""

import gzip
import json
import shutil
import tempfile
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parents[2]
WINDOWS = {"layer_types": "gone", "use_sliding_window": True, "sliding_window": 8}

# "gone" leaves a key out.
CASES = [
    ("gemma2", {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    ("gemma2", {"attn_logit_softcapping": None}),
    ("gemma2", {"final_logit_softcapping": None}),
    ("gemma2", {"layer_types": "gone", "sliding_window": 8}),
    ("gemma2", {"query_pre_attn_scalar": "gone"}),
    ("gemma", {"hidden_act": "gelu"}),
    ("mistral", {"sliding_window": 8}),
    ("qwen2", {**WINDOWS, "max_window_layers": 1}),
    ("qwen2", {**WINDOWS, "max_window_layers": "gone"}),
    ("qwen2", {**WINDOWS, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
    ("qwen3", {**WINDOWS, "max_window_layers": 2}),
    ("llama", {"num_key_value_heads": None, "head_dim": None}),
    ("llama", {"rope_parameters": "gone", "rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 500000.0}),
    ("llama", {"rope_parameters": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}}),
]


def edited(config, edits):
    config = {**config, **edits}
    return {key: value for key, value in config.items() if value != "gone"}


def run(name, edits):
    source = ROOT / "fixtures" / "checkpoints" / name
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(edited(json.loads(config.read_text()), edits)))
        auto = transformers.AutoModelForCausalLM
        model = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        ids = [3 + (93 + i * 17) % 80 for i in range(40)]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -2:]
    return {"name": name, "edits": edits, "ids": ids, "logits": [float(f"{x:.7g}") for x in logits.flatten().tolist()]}


def main():
    goldens = [run(name, edits) for name, edits in CASES]
    target = ROOT / "packages" / "engine" / "goldens" / "configurations.json.gz"
    target.write_bytes(gzip.compress(json.dumps(goldens).encode(), mtime=0))
    print(f"{target}: {target.stat().st_size} bytes, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
