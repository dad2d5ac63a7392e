"""Tensors of the families at full size, as transformers builds them from short configurations such as the hub's.

    python3 tools/reference/models_goldens.py      (needs torch and transformers 5; writes packages/models/goldens/full-size.json)

Models are built on the meta device, so nothing is allocated. Names differ between versions of transformers; shapes do not, so the golden
is their number, their parameters and a hash of their sorted shapes.
"""

import hashlib
import json
from pathlib import Path

import torch
import transformers as tf

CONFIGS = {
    "llava-1.5-7b": {
        "model_type": "llava", "image_token_index": 32000,
        "text_config": {"_name_or_path": "lmsys/vicuna-7b-v1.5", "model_type": "llama", "vocab_size": 32064},
        "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                          "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768},
    },
    "llava-v1.6-mistral-7b": {
        "model_type": "llava_next", "image_token_index": 32000, "image_grid_pinpoints": [[336, 672]],
        "text_config": {"model_type": "mistral", "intermediate_size": 14336, "num_key_value_heads": 8, "vocab_size": 32064},
        "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                          "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768},
    },
    "qwen2-vl-2b": {
        "model_type": "qwen2_vl", "hidden_size": 1536, "intermediate_size": 8960, "num_attention_heads": 12, "num_hidden_layers": 28,
        "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
        "vision_config": {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "hidden_size": 1536, "patch_size": 14},
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    },
    "qwen2.5-vl-3b": {
        "model_type": "qwen2_5_vl", "hidden_size": 2048, "intermediate_size": 11008, "num_attention_heads": 16, "num_hidden_layers": 36,
        "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
        "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048},
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    },
    "qwen3-vl-2b": {
        "model_type": "qwen3_vl", "tie_word_embeddings": True,
        "text_config": {"model_type": "qwen3_vl_text", "hidden_size": 2048, "intermediate_size": 6144, "num_attention_heads": 16,
                        "num_hidden_layers": 28, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936},
        "vision_config": {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 2048,
                          "deepstack_visual_indexes": [5, 11, 17]},
    },
    "paligemma-3b-224": {
        "model_type": "paligemma", "projection_dim": 2048,
        "text_config": {"model_type": "gemma", "hidden_size": 2048, "intermediate_size": 16384, "num_attention_heads": 8,
                        "num_hidden_layers": 18, "num_key_value_heads": 1, "vocab_size": 257216},
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16,
                          "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": False},
    },
    "paligemma2-3b-224": {
        "model_type": "paligemma", "projection_dim": 2304,
        "text_config": {"model_type": "gemma2", "num_hidden_layers": 26, "vocab_size": 257216},
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16,
                          "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": False},
    },
    "blip2-opt-2.7b": {
        "model_type": "blip-2", "num_query_tokens": 32, "tie_word_embeddings": False,
        "text_config": {"model_type": "opt", "hidden_size": 2560, "ffn_dim": 10240, "num_hidden_layers": 32, "num_attention_heads": 32,
                        "word_embed_proj_dim": 2560, "vocab_size": 50304},
        "qformer_config": {"vocab_size": 30523}, "vision_config": {},
    },
    "smolvlm-256m": {
        "model_type": "idefics3", "scale_factor": 4,
        "text_config": {"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9,
                        "num_hidden_layers": 30, "num_key_value_heads": 3, "vocab_size": 49280, "head_dim": 64},
        "vision_config": {"hidden_size": 768, "image_size": 512, "intermediate_size": 3072, "num_attention_heads": 12, "patch_size": 16},
    },
    "qwen2.5-0.5b": {
        "model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_attention_heads": 14, "num_hidden_layers": 24,
        "num_key_value_heads": 2, "tie_word_embeddings": True,
    },
}


def main() -> None:
    golden = {}
    for name, values in CONFIGS.items():
        config = tf.AutoConfig.for_model(**values)
        auto = tf.AutoModelForImageTextToText if hasattr(config, "text_config") else tf.AutoModelForCausalLM
        with torch.device("meta"):
            model = auto.from_config(config)
        shapes = sorted("x".join(map(str, parameter.shape)) for parameter in model.parameters())
        golden[name] = {
            "config": values,
            "tensors": len(shapes),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "shapes": hashlib.sha256("\n".join(shapes).encode()).hexdigest(),
        }
        print(name, golden[name]["tensors"], golden[name]["parameters"])
    path = Path(__file__).parents[2] / "packages/models/goldens/full-size.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
