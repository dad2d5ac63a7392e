"""Two tiny random models with tokenizer and image processor, and what transformers answers about a picture with them.

Needs: torch, torchvision, transformers (see requirements.txt), and engine_text.py beside it.
Run:   python3 tools/reference/engine_vlms.py
Writes packages/engine/goldens/vlms/<family>/ and packages/engine/goldens/vlms/picture.png
"""

import json
import shutil
from pathlib import Path

import torch
import transformers as tf
from PIL import Image

import engine_text as texts

FOLDER = texts.ROOT / "packages" / "engine" / "goldens" / "vlms"
LLAMA = dict(
    vocab_size=448, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
CLIP = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14)


def model_of(name, image_token):
    if name == "llava":
        config = tf.LlavaConfig(
            text_config=tf.LlamaConfig(**LLAMA), vision_config=tf.CLIPVisionConfig(**CLIP), image_token_index=image_token,
            image_seq_length=4,
        )
        return tf.LlavaForConditionalGeneration(config)
    config = tf.Qwen2VLConfig(
        text_config={**LLAMA, "rope_parameters": {"rope_type": "default", "type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}},
        vision_config=dict(depth=2, embed_dim=32, hidden_size=32, num_heads=4, mlp_ratio=2, patch_size=14),
        image_token_id=image_token,
    )
    return tf.Qwen2VLForConditionalGeneration(config)


def processor_of(name):
    processor = texts.family(name)
    if name == "llava":
        processor.image_processor = tf.CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    else:
        processor.image_processor = tf.Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112})
    return processor


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    picture = Image.new("RGB", (90, 60))
    picture.putdata([((x * 5 + y) % 256, (x * y) % 256, (y * 4) % 256) for y in range(60) for x in range(90)])
    picture.save(FOLDER / "picture.png")
    for name in ["llava", "qwen2_vl"]:
        processor = processor_of(name)
        tokenizer = processor.tokenizer
        image_token = tokenizer.convert_tokens_to_ids("<|image_pad|>" if name == "qwen2_vl" else "<image>")
        torch.manual_seed(7)
        model = model_of(name, image_token)
        for parameter in model.parameters():
            parameter.data = torch.randn_like(parameter) * 0.4 + (0.5 if parameter.ndim == 1 else 0)
        model.generation_config = tf.GenerationConfig(eos_token_id=2, pad_token_id=0)
        folder = FOLDER / name
        model.to(torch.float16).eval().save_pretrained(folder)
        processor.save_pretrained(folder)
        # Older checkpoints have the image processor in a file of its own.
        if name == "llava":
            config = processor.image_processor.to_dict()
            (folder / "preprocessor_config.json").write_text(json.dumps(config, default=str, indent=1) + "\n")
            (folder / "processor_config.json").unlink()
        model = model.to(torch.float32)
        answers = []
        for question, pictures in [("What is in the picture?", 1), ("How many dogs are there?", 2), ("Hello", 0)]:
            content = [*({"type": "image"} for _ in range(pictures)), {"type": "text", "text": question}] if pictures else question
            prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
            inputs = processor(text=[prompt], images=[[picture] * pictures] if pictures else None, return_tensors="pt")
            with torch.inference_mode():
                tokens = model.generate(**inputs, max_new_tokens=24, do_sample=False)[0, inputs["input_ids"].shape[1]:].tolist()
            answers.append({
                "question": question, "pictures": pictures, "promptTokens": inputs["input_ids"].shape[1], "tokens": tokens,
                "text": tokenizer.decode(tokens, skip_special_tokens=True),
            })
        (folder / "answers.json").write_text(json.dumps(answers, indent=1) + "\n")
        print(name, [answer["text"] for answer in answers])


main()
