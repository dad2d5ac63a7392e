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
import struct
import zlib
from pathlib import Path

import numpy as np
import transformers
from PIL import Image, ImageCms, ImageOps

GOLDENS = Path(__file__).resolve().parents[2] / "packages" / "engine" / "goldens"
PINPOINTS = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]
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


def decoded():
    """Small files of every kind, and what load_image of transformers makes of them, but for grey of 16 bits."""
    rgb = Image.fromarray(made_image(23, 17, 1))
    grey = rgb.convert("L")
    alpha = Image.fromarray(made_image(23, 17, 2)[:, :, 0])
    clear = rgb.copy()
    clear.putalpha(alpha)
    levels = made_image(23, 17, 3).astype(np.uint16)
    palette = rgb.quantize(16, dither=Image.Dither.NONE)
    files = {}

    def add(name, image, format, **options):
        stream = io.BytesIO()
        image.save(stream, format, **options)
        files[name] = stream.getvalue()

    add("rgb.png", rgb, "PNG")
    add("rgba.png", clear, "PNG")
    add("grey.png", grey, "PNG")
    add("grey-alpha.png", Image.merge("LA", (grey, alpha)), "PNG")
    add("black-and-white.png", grey.convert("1"), "PNG")
    add("palette.png", palette, "PNG")
    add("palette-with-transparency.png", palette, "PNG", transparency=3)
    add("grey-16-bits.png", Image.fromarray(levels[:, :, 0] * 256 + levels[:, :, 1]), "PNG")
    files["rgb-16-bits.png"] = png_of_16_bits(levels * 256 + levels[:, :, ::-1])
    add("rgb.jpg", rgb, "JPEG", quality=90)
    add("subsampled.jpg", rgb, "JPEG", quality=75, subsampling="4:2:0")
    add("progressive.jpg", rgb, "JPEG", progressive=True)
    add("grey.jpg", grey, "JPEG")
    add("cmyk.jpg", Image.merge("CMYK", (*rgb.split(), alpha)), "JPEG", quality=95)
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        add(f"orientation-{orientation}.jpg", rgb, "JPEG", exif=exif)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    add("red-and-blue-swapped-by-profile.jpg", rgb, "JPEG", icc_profile=swapped)
    add("lossless.webp", rgb, "WEBP", lossless=True)
    add("lossy.webp", rgb, "WEBP", quality=80)
    add("alpha.webp", clear, "WEBP", lossless=True, exact=True)
    add("still.gif", palette, "GIF")
    add("moving.gif", palette, "GIF", save_all=True, append_images=[palette.rotate(180)])
    add("rgb.tiff", rgb, "TIFF")
    for name, file in files.items():
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
        # Pillow clips grey of 16 bits to 8: nearly all of it becomes white. The upper 8 bits show the picture.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)) if image.mode == "I;16" else image
        result = np.asarray(image.convert("RGB"))
        size = [result.shape[1], result.shape[0]]
        yield {"name": name, "file": encoded(file), "size": size, "rgb": encoded(zlib.compress(result.tobytes(), 9))}


# Images processors as checkpoints on the hub configure them, some smaller.
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
PROCESSORS = {
    "llava-1.5": ("CLIPImageProcessor", {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}),
    "clip-old": ("CLIPImageProcessor", {"size": 56, "crop_size": 56}),
    "clip-larger-crop": ("CLIPImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": {"height": 56, "width": 63}}),
    "clip-both-edges": ("CLIPImageProcessor", {"size": {"shortest_edge": 48, "longest_edge": 60}, "crop_size": 56}),
    "clip-without-mean": ("CLIPImageProcessor", {"size": 56, "crop_size": 56, "do_normalize": False}),
    "llava-padded": ("LlavaImageProcessor", {"size": {"shortest_edge": 56}, "crop_size": 56, "do_pad": True}),
    "paligemma": ("SiglipImageProcessor", {"size": {"height": 224, "width": 224}}),
    "siglip-bilinear": ("SiglipImageProcessor", {"size": {"height": 30, "width": 50}, "resample": 2}),
    "blip-2": ("BlipImageProcessor", {"size": {"height": 224, "width": 224}}),
    "vit": ("ViTImageProcessor", {"size": 56}),
    "qwen2-vl": ("Qwen2VLImageProcessor", {"min_pixels": 3136, "max_pixels": 200704}),
    "qwen2-vl-size": ("Qwen2VLImageProcessor", {"size": {"shortest_edge": 12544, "longest_edge": 40000}}),
    "qwen3-vl": (
        "Qwen2VLImageProcessor",
        {"size": {"shortest_edge": 4096, "longest_edge": 65536}, "patch_size": 16, **HALF},
    ),
    "llava-next": (
        "LlavaNextImageProcessor",
        {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}, "image_grid_pinpoints": PINPOINTS},
    ),
    "smolvlm": ("Idefics3ImageProcessor", {"size": {"longest_edge": 256}, "max_image_size": {"longest_edge": 64}}),
    "smolvlm-one-tile": (
        "SmolVLMImageProcessor",
        {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 64}, "do_image_splitting": False},
    ),
}
SIZES = [(64, 48), (37, 91), (224, 224), (150, 20), (301, 199), (56, 56), (9, 13), (84, 70)]


def prepared():
    """Checked to the bit by a hash of all values; some values lie beside it to see what is wrong when it differs."""
    for name, (kind, options) in PROCESSORS.items():
        processor = getattr(transformers, f"{kind}Pil")(**options)
        config = {**json.loads(processor.to_json_string()), **options}
        cases = []
        for seed, size in enumerate(SIZES):
            is_idefics = hasattr(processor, "max_image_size")
            extra = {"return_row_col_info": True} if is_idefics else {}
            result = processor(Image.fromarray(made_image(*size, seed)), return_tensors="np", **extra)
            values = result["pixel_values"]
            values = values[0] if "next" in name or is_idefics else values
            assert values.dtype == np.float32, values.dtype
            if "pixel_attention_mask" in result:
                assert result["pixel_attention_mask"].all()
            case = {
                "size": size,
                "seed": seed,
                "shape": values.shape,
                "sha256": digest(values.astype("<f4")),
                "samples": values.ravel()[:: values.size // 7][:7].tolist(),
            }
            if "image_grid_thw" in result:
                case["grid"] = result["image_grid_thw"][0].tolist()
            if "image_sizes" in result:
                case["originalSize"] = [int(side) for side in result["image_sizes"][0]]
            if is_idefics:
                case["tiles"] = [result["rows"][0][0], result["cols"][0][0]]
            cases.append(case)
        yield {"name": name, "config": config, "cases": cases}


def difference_of_backends():
    """Prints how far the torchvision backend is from Pillow's, in levels of 255."""
    for name, (kind, options) in PROCESSORS.items():
        pillow, torchvision = getattr(transformers, f"{kind}Pil")(**options), getattr(transformers, kind)(**options)
        differences = []
        for seed, size in enumerate(SIZES):
            image = Image.fromarray(made_image(*size, seed))
            values = [np.asarray(of(image, return_tensors="np")["pixel_values"]) for of in (pillow, torchvision)]
            if values[0].shape != values[1].shape:
                print(f"{name}: {size} gives {values[0].shape}, {values[1].shape} with torchvision")
                continue
            deviation = np.mean(pillow.image_std if pillow.do_normalize else 1)
            differences.append(np.abs(values[0] - values[1]).ravel() * deviation * 255)
        all_of_them = np.concatenate(differences)
        print(f"{name}: at most {all_of_them.max():.2f} levels, {all_of_them.mean():.3f} on average")


def encoded(data):
    return base64.b64encode(data).decode()


def png_of_16_bits(levels):
    """Pillow writes no RGB of 16 bits."""
    height, width, _ = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


if __name__ == "__main__":
    write("images-decode", list(decoded()))
    write("images-processors", list(prepared()))
    difference_of_backends()
    write("images-resample", list(resampled()))
