"""CLIPScore and RefCLIPScore (Hessel et al. 2021) of texts and pictures by transformers' CLIP.

Needs: torch, transformers, pillow (see requirements.txt); fixtures/encoders/clip by engine_scorers.py; fixtures/scenes.
Run:   python3 tools/reference/engine_clipscore.py
Writes apps/cli/goldens/clipscore.json
"""

import json
from pathlib import Path

import torch
import transformers as tf
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "fixtures" / "encoders" / "clip"
PICTURES = ROOT / "fixtures" / "scenes" / "images"
ITEMS = [
    ("scene_034.png", "The cat sat on the mat.", ["a cat on the mat", "There is a dog in the park"]),
    ("scene_021.png", "a red circle", ["A red circle stands left of a blue star."]),
    ("scene_034.png", "", ["no answer"]),
    ("scene_077.png", "Überraschung! 重み", ["nothing of this is known", "three stars"]),
    ("scene_040.png", "the other one has there what it is " * 4, ["a green square"]),
]


def main():
    model = tf.CLIPModel.from_pretrained(FOLDER, dtype=torch.float32).eval()
    tokenizer = tf.CLIPTokenizer.from_pretrained(FOLDER)
    processor = tf.CLIPImageProcessorPil.from_pretrained(FOLDER)

    def unit(vector):
        return (vector / vector.norm()).double()

    def text(written):
        inputs = tokenizer("A photo depicts " + written, return_tensors="pt", truncation=True)
        return unit(model.text_projection(model.text_model(**inputs).pooler_output)[0])

    def picture(name):
        pixels = processor(images=Image.open(PICTURES / name).convert("RGB"), return_tensors="pt")["pixel_values"]
        return unit(model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)[0])

    items = []
    with torch.inference_mode():
        for image, prediction, references in ITEMS:
            told = text(prediction)
            seen = 2.5 * max(0, (told @ picture(image)).item())
            best = max(0, *((told @ text(reference)).item() for reference in references))
            both = 2 * seen * best / (seen + best) if seen + best else 0
            scores = {"clipscore": float(f"{seen:.7g}"), "refclipscore": float(f"{both:.7g}")}
            items.append({"image": image, "prediction": prediction, "references": references, "scores": scores})
    target = ROOT / "apps" / "cli" / "goldens" / "clipscore.json"
    target.write_text(json.dumps(items, ensure_ascii=False, indent=1) + "\n")
    print(f"{target}: {target.stat().st_size} bytes, transformers {tf.__version__}")


main()
