"""A tiny random GPT-2 and a tiny random CLIP with their tokenizers, and what transformers makes of texts and pictures with them in F32;
beside them, what goes into the linears of a tiny LLaVA.

Needs: torch, transformers, pillow (see requirements.txt); engine_text.py beside it; packages/engine/goldens/vlms by engine_vlms.py.
Run:   python3 tools/reference/engine_scorers.py
Writes fixtures/encoders/gpt2/, fixtures/encoders/clip/ and packages/engine/goldens/scorers.json.gz
"""

import gzip
import json
from pathlib import Path

import torch
import transformers as tf
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel

import engine_text

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "encoders"
GOLDENS = ROOT / "packages" / "engine" / "goldens"
TEXTS = [
    "The cat sat on the mat.", "a", "", "Is it? \"Yes\" -- it's 3 o'clock", "Überraschung 重み 🦙", "the cat sat on the mat", "a dog\nran in the park",
    "What is there on the table, and what is it that the other one has there? " * 3,
]


def randomize(model, seed):
    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * 0.3 + (0.5 if parameter.ndim == 1 else 0)
    return model.eval()


def rounded(values):
    return [float(f"{x:.8g}") for x in values]


def byte_pairs(merges, suffixes):
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(char + suffix for suffix in suffixes for char in alphabet)]
    return tokens + ["".join(merge) for merge in merges]


def save(model, tokenizer, name):
    tokenizer.save_pretrained(FIXTURES / name)
    model.save_pretrained(FIXTURES / name)
    (FIXTURES / name / "model.safetensors").chmod(0o644)


def likelihoods(model, tokenizer, limit):
    """Sums of -ln p of texts' tokens, with a start token before them and without: as Hugging Face's evaluate computes them."""
    found = {}
    for start in [True, False]:
        found[str(start).lower()] = scores = []
        for text in TEXTS:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            ids = ([tokenizer.bos_token_id] if start else []) + ids
            ids = torch.tensor([ids[:limit]])
            if ids.shape[1] < 2:
                scores.append({"nats": 0, "tokens": 0})
                continue
            with torch.inference_mode():
                logits = model(input_ids=ids).logits[0, :-1]
            nats = torch.nn.functional.cross_entropy(logits.double(), ids[0, 1:], reduction="sum").item()
            scores.append({"nats": float(f"{nats:.9g}"), "tokens": ids.shape[1] - 1})
    return found


def gpt2():
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "a"), ("a", "t"), ("i", "s"), ("Ġ", "is")]
    vocab = {token: i for i, token in enumerate([*byte_pairs(merges, []), "<|endoftext|>"])}
    tokenizer = tf.GPT2Tokenizer(vocab=vocab, merges=merges)
    end = vocab["<|endoftext|>"]
    config = tf.GPT2Config(vocab_size=len(vocab), n_positions=48, n_embd=32, n_layer=3, n_head=4, bos_token_id=end, eos_token_id=end)
    model = randomize(tf.GPT2LMHeadModel(config), 5)
    save(model, tokenizer, "gpt2")
    ids = tokenizer(TEXTS[0])["input_ids"]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0]
    return {"likelihoods": likelihoods(model, tokenizer, 48), "ids": ids, "logits": rounded(logits.flatten().tolist())}


def llava():
    """The language model of a LLaVA, as any decoder."""
    folder = GOLDENS / "vlms" / "llava"
    model = tf.LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    return likelihoods(model, tf.AutoTokenizer.from_pretrained(folder), 256)


def clip():
    merges = [("a", "t</w>"), ("c", "at</w>"), ("t", "h"), ("th", "e</w>"), ("o", "n</w>")]
    vocab = {token: i for i, token in enumerate([*byte_pairs(merges, ["</w>"]), "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = tf.CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=32)
    sizes = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
    config = tf.CLIPConfig(
        text_config=dict(
            **sizes, vocab_size=len(vocab), max_position_embeddings=32, bos_token_id=vocab["<|startoftext|>"],
            eos_token_id=vocab["<|endoftext|>"], pad_token_id=vocab["<|endoftext|>"],
        ),
        vision_config=dict(**sizes, image_size=28, patch_size=14),
        projection_dim=24,
    )
    model = randomize(tf.CLIPModel(config), 6)
    processor = tf.CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    save(model, tokenizer, "clip")
    processor.save_pretrained(FIXTURES / "clip")
    picture = Image.open(GOLDENS / "vlms" / "picture.png")
    pictures = [picture, picture.crop((10, 5, 50, 60)), picture.crop((60, 0, 90, 30))]
    found = {"texts": [], "images": []}
    with torch.inference_mode():
        for text in TEXTS:
            inputs = tokenizer(text, return_tensors="pt", truncation=True)
            found["texts"].append(rounded(model.text_projection(model.text_model(**inputs).pooler_output)[0].tolist()))
        for image in pictures:
            pixels = processor(images=image, return_tensors="pt")["pixel_values"]
            found["images"].append(rounded(model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)[0].tolist()))
    return found


PROBED = ["layers.0.self_attn.q_proj", "layers.1.self_attn.o_proj", "layers.1.mlp.gate_proj", "layers.1.mlp.down_proj"]


def calibration():
    """What goes into some linears of a LLaVA's decoder and of its vision tower while it reads two prompts, over all tokens."""
    folder = GOLDENS / "vlms" / "llava"
    model = tf.LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = engine_text.family("llava")
    processor.image_processor = tf.CLIPImageProcessorPil.from_pretrained(folder)
    seen = {}
    towers = [
        ("language_model.model.", model.model.language_model, PROBED),
        ("vision_tower.", model.model.vision_tower, ["encoder.layers.0.mlp.fc2"]),
    ]
    for prefix, tower, names in towers:
        for name in names:
            module = next(found for full, found in tower.named_modules() if full.endswith(name))
            seen[f"{prefix}{name}.weight"] = inputs_of = []
            module.register_forward_pre_hook(lambda _, given, inputs_of=inputs_of: inputs_of.append(given[0].reshape(-1, given[0].shape[-1])))
    picture = Image.open(GOLDENS / "vlms" / "picture.png")
    for question, pictures in [("What is in the picture?", 1), ("Hello", 0)]:
        content = [*({"type": "image"} for _ in range(pictures)), {"type": "text", "text": question}] if pictures else question
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = processor(text=[prompt], images=[[picture] * pictures] if pictures else None, return_tensors="pt")
        with torch.inference_mode():
            model(**inputs)
    found = {}
    for name, parts in seen.items():
        x = torch.cat(parts).double()
        found[name] = {
            "tokens": x.shape[0],
            "mean": rounded(x.mean(0).tolist()),
            "meanSquare": rounded(x.square().mean(0).tolist()),
            "maxAbs": rounded(x.abs().amax(0).tolist()),
            "gram": rounded((x.T @ x).flatten().tolist()),
        }
    return found


def main():
    goldens = {"texts": TEXTS, "gpt2": gpt2(), "llava": llava(), "clip": clip(), "calibration": calibration()}
    target = GOLDENS / "scorers.json.gz"
    target.write_bytes(gzip.compress(json.dumps(goldens).encode(), mtime=0))
    print(f"{target}: {target.stat().st_size} bytes, transformers {tf.__version__}")


main()
