"""Tiny random checkpoints of every family, saved by real transformers 5: fixtures/checkpoints/<name>/.

    python3 tools/reference/models_fixtures.py      (needs torch and transformers 5)

Each has the family's real architecture, odd enough to catch mistakes (grouped heads, biases, ties, head counts that divide nothing),
weights large enough that logits vary, and nothing but config.json, generation_config.json and weights.
"""

import shutil
from pathlib import Path

import torch
import transformers as tf

FOLDER = Path(__file__).parents[2] / "fixtures/checkpoints"

LLAMA = dict(
    vocab_size=96, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=6,
    num_key_value_heads=6, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
GQA = {**LLAMA, "num_attention_heads": 6, "num_key_value_heads": 2}
CLIP = dict(
    hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14,
    projection_dim=32,
)
SIGLIP = dict(hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14)
MROPE = {"rope_type": "default", "type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}


def models():
    yield "llama", tf.LlamaForCausalLM(tf.LlamaConfig(**LLAMA))
    yield "mistral", tf.MistralForCausalLM(tf.MistralConfig(**GQA, head_dim=8, sliding_window=None))
    # Heads of a size that fused kernels do not take.
    yield "mistral-heads20", tf.MistralForCausalLM(
        tf.MistralConfig(**{**GQA, "num_hidden_layers": 2, "num_attention_heads": 4}, head_dim=20, sliding_window=17)
    )
    yield "qwen2", tf.Qwen2ForCausalLM(tf.Qwen2Config(**GQA, tie_word_embeddings=True))
    yield "qwen3", tf.Qwen3ForCausalLM(tf.Qwen3Config(**GQA, head_dim=16))
    yield "gemma", tf.GemmaForCausalLM(tf.GemmaConfig(**{**GQA, "num_key_value_heads": 1, "head_dim": 16}))
    yield "gemma2", tf.Gemma2ForCausalLM(tf.Gemma2Config(**GQA, head_dim=16, sliding_window=64, query_pre_attn_scalar=16))
    yield "opt", tf.OPTForCausalLM(
        tf.OPTConfig(vocab_size=96, hidden_size=48, ffn_dim=80, num_hidden_layers=3, num_attention_heads=6,
                     word_embed_proj_dim=48, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    )
    yield "llava", tf.LlavaForConditionalGeneration(
        tf.LlavaConfig(vision_config=tf.CLIPVisionConfig(**CLIP), text_config=tf.LlamaConfig(**LLAMA),
                       image_token_index=90, image_seq_length=4)
    )
    yield "llava-next", tf.LlavaNextForConditionalGeneration(
        tf.LlavaNextConfig(vision_config=tf.CLIPVisionConfig(**CLIP), text_config=tf.MistralConfig(**GQA, head_dim=8),
                           image_token_index=90, image_seq_length=4, image_grid_pinpoints=[[28, 56], [56, 28], [56, 56]])
    )
    yield "qwen2-vl", tf.Qwen2VLForConditionalGeneration(
        tf.Qwen2VLConfig(
            text_config=dict(**GQA, rope_scaling=MROPE),
            vision_config=dict(depth=2, embed_dim=32, hidden_size=48, num_heads=4, mlp_ratio=2, patch_size=14, spatial_merge_size=2),
            image_token_id=90, video_token_id=91, vision_start_token_id=92, vision_end_token_id=93, tie_word_embeddings=True,
        )
    )
    yield "qwen2_5-vl", tf.Qwen2_5_VLForConditionalGeneration(
        tf.Qwen2_5_VLConfig(
            text_config=dict(**GQA, rope_scaling=MROPE),
            vision_config=dict(depth=2, hidden_size=32, intermediate_size=44, out_hidden_size=48, num_heads=4, patch_size=14,
                               spatial_merge_size=2, fullatt_block_indexes=[1], window_size=56),
            image_token_id=90, video_token_id=91, vision_start_token_id=92, vision_end_token_id=93,
        )
    )
    yield "qwen3-vl", tf.Qwen3VLForConditionalGeneration(
        tf.Qwen3VLConfig(
            text_config=dict(**GQA, head_dim=8, rope_scaling={**MROPE, "mrope_interleaved": True}),
            vision_config=dict(depth=2, hidden_size=32, intermediate_size=44, out_hidden_size=48, num_heads=4, patch_size=14,
                               spatial_merge_size=2, deepstack_visual_indexes=[0], num_position_embeddings=16),
            image_token_id=90, video_token_id=91, vision_start_token_id=92, vision_end_token_id=93, tie_word_embeddings=True,
        )
    )
    for version, text in [("paligemma", "gemma"), ("paligemma2", "gemma2")]:
        extra = {"sliding_window": 64, "query_pre_attn_scalar": 16} if text == "gemma2" else {}
        heads = {"num_key_value_heads": 1} if text == "gemma" else {}
        yield version, tf.PaliGemmaForConditionalGeneration(
            tf.PaliGemmaConfig(
                vision_config=dict(model_type="siglip_vision_model", **SIGLIP, vision_use_head=False),
                text_config=dict(model_type=text, **{**GQA, **heads, **extra}, head_dim=16),
                projection_dim=48, image_token_index=90,
            )
        )
    yield "paligemma-heads12", tf.PaliGemmaForConditionalGeneration(
        tf.PaliGemmaConfig(
            vision_config=dict(model_type="siglip_vision_model", **{**SIGLIP, "hidden_size": 36, "num_attention_heads": 3},
                               vision_use_head=False),
            text_config=dict(model_type="gemma", **{**GQA, "num_hidden_layers": 2, "num_attention_heads": 4}, head_dim=12),
            projection_dim=48, image_token_index=90,
        )
    )
    yield "blip-2", tf.Blip2ForConditionalGeneration(
        tf.Blip2Config(
            vision_config=dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=28,
                               patch_size=14),
            qformer_config=dict(vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                                encoder_hidden_size=32, cross_attention_frequency=2),
            text_config=dict(model_type="opt", vocab_size=96, hidden_size=48, ffn_dim=80, num_hidden_layers=3,
                             num_attention_heads=6, word_embed_proj_dim=48, max_position_embeddings=128, bos_token_id=1,
                             eos_token_id=2, pad_token_id=0),
            num_query_tokens=4, image_token_index=90,
        )
    )
    yield "smolvlm", tf.SmolVLMForConditionalGeneration(
        tf.SmolVLMConfig(
            vision_config=dict(hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=7),
            text_config=dict(model_type="llama", **GQA), scale_factor=2, image_token_id=90,
        )
    )


def randomize(model: torch.nn.Module) -> None:
    """Weights at which every part of the model shows in its logits."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        is_norm = "norm" in name.lower() and name.endswith("weight")
        with torch.no_grad():
            parameter.copy_(1 + 0.1 * noise if is_norm and "gemma" not in model.config.model_type else 0.25 * noise)


def save(name: str, model: torch.nn.Module, **options) -> None:
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, **options)
    _, info = type(model).from_pretrained(folder, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), (name, info)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size < 1.5e6, (name, size)
    print(f"{name}: {size} bytes, {sum(p.numel() for p in model.parameters())} parameters")


def renamed(name: str, source: str, changes: list[tuple[str, str]]) -> None:
    """The same LLaVA with the tensor names of another time, which transformers loads all the same."""
    from safetensors.torch import load_file, save_file

    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(FOLDER / source, folder)
    tensors = {}
    for key, tensor in load_file(folder / "model.safetensors").items():
        for old, new in changes:
            if key.startswith(old):
                key = new + key.removeprefix(old)
                break
        tensors[key] = tensor
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _, info = tf.LlavaForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), (name, info)


def main() -> None:
    for name, model in models():
        randomize(model)
        save(name, model.eval())
        if name == "llava-next":
            save(name, model.to(torch.bfloat16), max_shard_size="100KB")
    # llava-hf/llava-1.5-7b-hf on the hub, and what transformers 4.52 to 4.57 saved.
    renamed("llava-hub", "llava", [("vision_tower.", "vision_tower.vision_model.")])
    renamed(
        "llava-new",
        "llava",
        [
            ("language_model.model.", "model.language_model."),
            ("language_model.lm_head.", "lm_head."),
            ("vision_tower.", "model.vision_tower.vision_model."),
            ("multi_modal_projector.", "model.multi_modal_projector."),
        ],
    )


main()
