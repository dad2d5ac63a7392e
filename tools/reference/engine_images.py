"""Pictures as Pillow decodes and resizes them and as transformers' image processors prepare them.

Needs: numpy, pillow, torch, torchvision, transformers (see requirements.txt).
Run:   python3 tools/reference/engine_images.py
Writes packages/engine/goldens/images-{resample,decode,processors}.json.gz
"""

import base64
import gzip
import hashlib
import io
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

GOLDENS = Path(__file__).resolve().parents[2] / "packages" / "engine" / "goldens"
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def made_image(width, height, seed):
    """The picture that src/images/test-support/made-image.ts makes of the same numbers."""
    i = np.arange(width * height * 3, dtype=np.uint64)
    x, y, channel = i // 3 % width, i // 3 // width, i % 3
    mask = np.uint64(0xFFFFFFFF)
    value = (i + np.uint64(seed * 7919)) * np.uint64(0x9E3779B1) & mask
    value = (value ^ (value >> np.uint64(15))) * np.uint64(0x85EBCA6B) & mask
    data = (value >> np.uint64(25)) + ((x * 5 + y * 3 + channel * 40) & np.uint64(127))
    return data.astype(np.uint8).reshape(height, width, 3)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def write(name, value):
    text = json.dumps(value, separators=(",", ":"))
    (GOLDENS / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def resampled():
    """Random sizes, up and down, one axis alone, single pixels; and photographs' sizes."""
    chance = random.Random(7)
    cases = []
    for n in range(120):
        side = lambda: chance.choice([1, 2, 3, chance.randrange(1, 20), chance.randrange(20, 140)])
        cases.append((side(), side(), side(), side(), list(FILTERS)[n % 6]))
    for filter in FILTERS:
        cases += [(64, 48, 64, 20, filter), (64, 48, 31, 48, filter), (640, 427, 336, 224, filter)]
    for n, (width, height, new_width, new_height, filter) in enumerate(cases):
        image = Image.fromarray(made_image(width, height, n))
        result = np.asarray(image.resize((new_width, new_height), FILTERS[filter]))
        yield {"from": [width, height], "seed": n, "to": [new_width, new_height], "filter": filter, "sha256": digest(result)}


if __name__ == "__main__":
    write("images-resample", list(resampled()))
