"""Logits and greedy tokens of the checkpoints in fixtures/checkpoints, as transformers computes them in F32.

Needs: torch, transformers (see requirements.txt).
Run:   python3 tools/reference/engine_models.py
Writes packages/engine/goldens/models.json.gz
"""

import gzip
import json
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parents[2]
IMAGE = 90
NEW_TOKENS = 32


def pixels(*shape):
    """Numbers from -1 to 1 that the tests make again."""
    count = torch.tensor(shape).prod().item()
    values = (torch.arange(count, dtype=torch.int64) * 7919 % 256).float() / 127.5 - 1
    return values.reshape(shape)


def text(count, start=3):
    return [3 + (start * 31 + i * 17) % 80 for i in range(count)]


def with_images(*counts):
    """A prompt of text with so many image tokens between."""
    ids = text(3)
    for n, count in enumerate(counts):
        ids += [IMAGE] * count + text(4 + n, start=n + 5)
    return ids


def qwen(*grids):
    counts = [h * w // 4 for _, h, w in grids]
    patches = sum(h * w for _, h, w in grids)
    ids = with_images(*counts)
    return {
        "ids": ids,
        "pixels": pixels(patches, 3 * 2 * 14 * 14),
        "extra": {"image_grid_thw": torch.tensor(grids)},
        "grids": grids,
    }


def plain_image(*images, per_image=4):
    """Pictures of one tile each."""
    return {"ids": with_images(*[per_image] * len(images)), "pixels": pixels(len(images), 3, 28, 28)}


CASES = {
    "llava": [plain_image(1), plain_image(1, 2)],
    "llava-hub": [plain_image(1)],
    "llava-new": [plain_image(1)],
    "qwen2-vl": [qwen((1, 4, 6)), qwen((1, 4, 6), (1, 8, 4))],
    "qwen2_5-vl": [qwen((1, 4, 6)), qwen((1, 10, 6), (1, 8, 4))],
    "qwen3-vl": [qwen((1, 4, 6)), qwen((1, 10, 6), (1, 8, 4))],
    "paligemma": [plain_image(1)],
    "paligemma2": [plain_image(1)],
    "paligemma-heads12": [plain_image(1)],
    "blip-2": [plain_image(1)],
    # Two tiles of one picture.
    "smolvlm": [{"ids": with_images(8), "pixels": pixels(1, 2, 3, 28, 28)}],
    "llava-next": [
        {"ids": None, "pixels": pixels(1, tiles, 3, 28, 28), "size": size}
        for tiles, size in [(5, (50, 60)), (3, (20, 61)), (3, (54, 26))]
    ],
    **{name: [{"ids": text(12)}, {"ids": text(90)}] for name in ["llama", "mistral", "mistral-heads20", "qwen2", "qwen3", "gemma", "gemma2", "opt"]},
}


def run(name, case, folder=None):
    """Of the fixture, or of another checkpoint of its shape."""
    folder = folder or ROOT / "fixtures" / "checkpoints" / name
    config = transformers.AutoConfig.from_pretrained(folder)
    is_text = "pixels" not in case
    auto = transformers.AutoModelForCausalLM if is_text else transformers.AutoModelForImageTextToText
    model = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    inputs = dict(case.get("extra", {}))
    if not is_text:
        inputs["pixel_values"] = case["pixels"]
    if "size" in case:
        inputs["image_sizes"] = torch.tensor([case["size"]])
        features = model.model.get_image_features(inputs["pixel_values"], inputs["image_sizes"]).pooler_output
        case["ids"] = with_images(sum(len(f) for f in features))
    ids = torch.tensor([case["ids"]])
    inputs["input_ids"] = ids
    inputs["attention_mask"] = torch.ones_like(ids)
    if name.startswith("qwen") and not is_text:
        inputs["mm_token_type_ids"] = (ids == IMAGE).int()
    if name.startswith("paligemma"):
        inputs["token_type_ids"] = torch.zeros_like(ids)
    with torch.inference_mode():
        logits = model(**inputs).logits[0]
        tokens = model.generate(**inputs, max_new_tokens=min(NEW_TOKENS, 126 - ids.shape[1]), do_sample=False)[0]
    golden = {
        "ids": case["ids"],
        "logits": [[float(f"{x:.7g}") for x in row] for row in logits.tolist()],
        "greedy": tokens[ids.shape[1]:].tolist(),
    }
    if not is_text:
        golden["pixels"] = list(case["pixels"].shape)
    for key in ["grids", "size"]:
        if key in case:
            golden[key] = case[key]
    return golden


def main():
    goldens = {name: [run(name, case) for case in cases] for name, cases in CASES.items()}
    target = ROOT / "packages" / "engine" / "goldens" / "models.json.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(json.dumps(goldens).encode(), mtime=0))
    print(f"{target}: {target.stat().st_size} bytes, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
