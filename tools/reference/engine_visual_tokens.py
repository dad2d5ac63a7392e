"""Which of a picture's tokens methods let go on, computed in PyTorch from the formulas of their papers.

Needs: torch, transformers (see requirements.txt).
Run:   python3 tools/reference/engine_visual_tokens.py
Writes packages/engine/goldens/visual-tokens.json.gz

Made pictures have the shapes of CLIP-L/14 at 336 pixels and of SigLIP-so400m/14 at 384; their numbers come from a seed, as
packages/engine/src/test-support/made-evidence.ts makes them again. Pictures of fixtures/scenes are seen by fixtures/tiny-llava.
"""

import gzip
import json
import math
from pathlib import Path

import numpy as np
import torch
import transformers as tf
from PIL import Image
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "packages" / "engine" / "goldens" / "visual-tokens.json.gz"
SHAPES = {
    "clip-l": dict(side=24, heads=16, head_dim=64, features=512, class_token=True),
    "siglip": dict(side=27, heads=16, head_dim=72, features=512, class_token=False),
}
PICTURES = 5
IMAGE_TOKEN = 575


# Numbers from a seed: the finalizer of MurmurHash3, as 24 bits from -1 to 1.
def numbers(seed, count):
    h = (np.arange(count, dtype=np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B1)).astype(np.uint32)
    for shift, factor in [(16, 0x85EBCA6B), (13, 0xC2B2AE35)]:
        h = ((h ^ (h >> np.uint32(shift))).astype(np.uint64) * np.uint64(factor)).astype(np.uint32)
    h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float64) / 2**23 - 1


# Neighbours in blocks of 4 x 4 have something in common, as they do in photographs. Eighths, so that products are exact in F32,
# whatever their order: VisPruner's choice changes with the last bit of any of them.
def rows(seed, count, width, side, first):
    own = numbers(seed, count * width).reshape(count, width)
    kinds = numbers(seed + 1, 12 * width).reshape(12, width)
    place = np.arange(count) - first
    block = np.where(place < 0, 0, place // side // 4 * 7 + place % side // 4)
    return torch.tensor((np.floor(8 * (kinds[block % 12] + 0.5 * own) + 0.5) / 8).astype(np.float32))


def cosines(x):
    products = x.double() @ x.double().T
    inverse = 1 / products.diagonal().sqrt()
    return (products * inverse[:, None] * inverse).float()


def attention(q, k, heads):
    split = lambda x: x.view(len(x), heads, -1).transpose(0, 1)
    a, b = split(q), split(k)
    return torch.softmax(a @ b.transpose(1, 2) * a.shape[-1] ** -0.5, dim=-1)


def made(shape, picture):
    side, heads, width = shape["side"], shape["heads"], shape["heads"] * shape["head_dim"]
    first = int(shape["class_token"])
    patches, tokens = side * side, side * side + first
    seed = 100 * picture
    q, k, q2, k2 = (rows(seed + 10 * n, tokens, width, side, first) for n in range(4))
    deep, objects = attention(4 * q, k, heads), attention(4 * q2, k2, heads)
    return dict(
        features=rows(seed + 50, patches, shape["features"], side, 0),
        states=rows(seed + 60, patches, width, side, 0),
        keys=k.view(tokens, heads, -1).mean(1)[first:],
        cls=deep[:, 0, 1:].mean(0) if first else None,
        deep=deep.mean((0, 1))[first:],
        objects=objects.mean((0, 1))[first:],
        relevance=torch.tensor(numbers(seed + 70, patches)),
        side=side,
    )


# DivPrune, arXiv:2503.02175: max-min diversity of cosine distances.
def divprune(p, keep):
    distance = 1 - cosines(p["features"])
    chosen = [int(distance.topk(2, dim=1, largest=False).values[:, 1].argmax())]
    nearest = distance[chosen[0]].clone()
    while len(chosen) < keep:
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, distance[chosen[-1]])
    return sorted(chosen)


# VisionZip, arXiv:2412.04467. Of 64 tokens ten are contextual.
def visionzip(p, keep):
    contextual = math.floor(keep * 10 / 64 + 0.5)
    dominant = p["cls"].topk(keep - contextual).indices.tolist()
    others = [i for i in range(len(p["cls"])) if i not in set(dominant)]
    targets = others[:: max(1, len(others) // contextual)][:contextual]
    joining = [i for i in others if i not in set(targets)]
    nearest = cosines(p["keys"])[joining][:, targets].argmax(1)
    merged = {}
    for n, target in enumerate(targets):
        members = [joining[i] for i in (nearest == n).nonzero()[:, 0].tolist()]
        merged[target] = members
    kept = sorted(dominant + targets)
    p["zipped"] = {
        i: p["states"][i] + (p["states"][merged[i]].mean(0) if merged.get(i) else 0) for i in kept
    }
    p["sizes"] = [1 + len(merged.get(i, [])) for i in kept]
    return kept


# VisPruner, arXiv:2412.01818: half by attention, the others by repeatedly dropping what is most alike.
def vispruner(p, keep):
    order = p["cls"].argsort(descending=True).tolist()
    important, rest = order[: keep // 2], order[keep // 2 :]
    alike = cosines(p["states"])
    while len(rest) > keep - keep // 2:
        going = min(8, len(rest) - (keep - keep // 2))
        even, odd = rest[::2], rest[1::2]
        likeness = alike[even][:, odd].max(1).values
        left = likeness.argsort(descending=True, stable=True)[going:].tolist()
        rest = [even[i] for i in left] + odd
    return sorted(important + rest)


# HiPrune, arXiv:2508.00553, alpha 0.1: anchors with their four neighbours, the rest by the last layer.
def hiprune(p, keep):
    count, side = len(p["deep"]), p["side"]
    kept = []
    for anchor in p["objects"].topk(math.floor(keep * 0.1 / 5 + 0.5)).indices.tolist():
        for step in (0, -1, 1, -side, side):
            at = min(count - 1, max(0, anchor + step))
            if at not in kept:
                kept.append(at)
    for i in p["deep"].argsort(descending=True).tolist():
        if len(kept) < keep and i not in kept:
            kept.append(i)
    return sorted(kept)


# CDPruner, arXiv:2506.10967: greedy MAP of a determinantal point process (Chen et al. 2018).
def cdpruner(p, keep):
    r = p["relevance"].float()
    r = (r - r.min() + 1e-6) / (r.max() - r.min())
    kernel = r[:, None] * cosines(p["features"]) * r[None]
    gains = kernel.diagonal().clone()
    basis = torch.zeros(keep, len(r))
    chosen = []
    for n in range(keep):
        j = int(gains.argmax())
        basis[n] = (kernel[j] - basis[:n, j] @ basis[:n]) / gains[j].sqrt()
        gains -= basis[n] ** 2
        gains[j] = -math.inf
        chosen.append(j)
    return sorted(chosen)


def pooling(p, grid):
    side = p["side"]
    return torch.nn.functional.adaptive_avg_pool2d(p["features"].T.view(1, -1, side, side), grid)[0].flatten(1).T


METHODS = [divprune, visionzip, vispruner, hiprune, cdpruner]


def choices(p, keeps):
    found = {}
    for method in METHODS:
        if p["cls"] is None and method in (visionzip, vispruner):
            continue
        if p["relevance"] is None and method is cdpruner:
            continue
        found[method.__name__] = {keep: method(p, keep) for keep in keeps}
    return found


# Each token that is dropped joins the one kept that is most like it.
def merged(p, kept):
    nearest = cosines(p["features"])[:, kept].argmax(1)
    nearest[kept] = torch.arange(len(kept))
    sizes = torch.bincount(nearest, minlength=len(kept))
    features = torch.zeros(len(kept), p["features"].shape[1]).index_add_(0, nearest, p["features"]) / sizes[:, None]
    return features, sizes


class Tiny:
    def __init__(self):
        folder = ROOT / "fixtures" / "tiny-llava"
        self.model = tf.LlavaForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        self.processor = tf.AutoProcessor.from_pretrained(folder)

    def see(self, image, question):
        picture = Image.open(ROOT / "fixtures" / "scenes" / "images" / image).convert("RGB")
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        text = self.processor.apply_chat_template([message], add_generation_prompt=True)
        given = self.processor(text=text, images=picture, return_tensors="pt")
        tower = self.model.model.vision_tower
        keys = []
        hook = tower.encoder.layers[-1].self_attn.k_proj.register_forward_hook(lambda *a: keys.append(a[2][0]))
        seen = tower(given["pixel_values"], output_hidden_states=True, output_attentions=True)
        hook.remove()
        states = seen.hidden_states[-1][0, 1:]
        objects, deep = seen.attentions[2][0], seen.attentions[3][0]
        return given["input_ids"][0], dict(
            features=self.model.model.multi_modal_projector(states[None])[0],
            states=states,
            keys=keys[0].view(65, 6, -1).mean(1)[1:],
            cls=deep[:, 0, 1:].mean(0),
            deep=deep.mean((0, 1))[1:],
            objects=objects.mean((0, 1))[1:],
            relevance=None,
            side=8,
        )

    # Greedy, tokens at their own places, merged ones counting as often as those they stand for.
    def answer(self, ids, kept, features, sizes, tokens=24):
        language = self.model.model.language_model
        start = int((ids == IMAGE_TOKEN).nonzero()[0, 0])
        before, after = ids[:start], ids[start + 64 :]
        places = [*range(start), *(start + i for i in kept), *range(start + 64, len(ids))]
        embedded = torch.cat([language.embed_tokens(before), features, language.embed_tokens(after)])
        weights = torch.zeros(len(embedded) + tokens)
        weights[start : start + len(kept)] = torch.tensor(sizes).float().log()
        found = []
        for _ in range(tokens):
            count = len(embedded)
            mask = torch.where(torch.ones(count, count).tril() > 0, weights[:count], torch.tensor(-1e9))
            hidden = language(
                inputs_embeds=embedded[None], position_ids=torch.tensor([places]), attention_mask=mask[None, None]
            ).last_hidden_state
            token = int(self.model.lm_head(hidden[0, -1]).argmax())
            if token == 2:
                break
            found.append(token)
            embedded = torch.cat([embedded, language.embed_tokens(torch.tensor([token]))])
            places.append(places[-1] + 1)
        return found

    # Attention that the last row pays to each, in a layer, of hidden states before it.
    def attention_of_last(self, layer, x, places):
        attention = layer.self_attn
        normed = layer.input_layernorm(x)
        split = lambda y: y.view(1, x.shape[1], -1, attention.head_dim).transpose(1, 2)
        cos, sin = self.model.model.language_model.rotary_emb(x, places)
        q, k = apply_rotary_pos_emb(split(attention.q_proj(normed)), split(attention.k_proj(normed)), cos, sin)
        k = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
        return torch.softmax(q[0, :, -1:] @ k[0].transpose(1, 2) * attention.scaling, dim=-1)[:, 0].mean(0)

    # FastV, arXiv:2403.06764: before the third layer, by the second one's attention. PyramidDrop, arXiv:2410.17247: behind each quarter of
    # the layers, by the attention of the next. The last prompt token ranks; places are kept.
    def dropped(self, ids, features, method, keep, tokens=24):
        language = self.model.model.language_model
        start, count = int((ids == IMAGE_TOKEN).nonzero()[0, 0]), len(ids)
        layers = len(language.layers)
        if method == "fastv":
            stages = {2: keep}
        else:
            cuts = [math.floor(quarter * layers / 4 + 0.5) for quarter in (1, 2, 3)]
            stages = {cut: keep if n == 2 else int(64 * (keep / 64) ** ((n + 1) / 3)) for n, cut in enumerate(cuts)}
        embedded = language.embed_tokens(ids)
        embedded[start : start + 64] = features
        chosen, found = {}, []
        while len(found) < tokens:
            added = torch.tensor(found, dtype=torch.long)
            x = torch.cat([embedded, language.embed_tokens(added)])[None]
            places = torch.arange(count + len(found))
            before = x
            for index, layer in enumerate(language.layers):
                if index in stages:
                    if index not in chosen:
                        source, ranked = (index - 1, before) if method == "fastv" else (index, x)
                        scores = self.attention_of_last(language.layers[source], ranked, places[None])
                        pictures = ((places >= start) & (places < start + 64)).nonzero()[:, 0]
                        top = pictures[scores[pictures].topk(stages[index]).indices]
                        text = [i for i in range(len(places)) if i not in set(pictures.tolist())]
                        chosen[index] = places[sorted(text + top.tolist())].tolist()
                    going = set(chosen[index])
                    rows = [i for i, place in enumerate(places.tolist()) if place in going or place >= count]
                    x, places = x[:, rows], places[rows]
                mask = torch.where(torch.ones(len(places), len(places)).tril() > 0, 0.0, -1e9)[None, None]
                before = x
                turns = language.rotary_emb(x, places[None])
                x = layer(x, attention_mask=mask, position_ids=places[None], position_embeddings=turns)
                x = x[0] if isinstance(x, tuple) else x
            token = int(self.model.lm_head(language.norm(x))[0, -1].argmax())
            if token == 2:
                break
            found.append(token)
        return found

    def golden(self, row):
        ids, p = self.see(row["image"], row["question"])
        found = choices(p, [32, 16])
        answers = {}
        for keep in (32, 16):
            kept = found["divprune"][keep]
            features, sizes = merged(p, kept)
            answers[f"divprune {keep} merged"] = self.answer(ids, kept, features, sizes.tolist())
            answers[f"divprune {keep}"] = self.answer(ids, kept, p["features"][kept], [1] * keep)
            zipped = visionzip(p, keep)
            states = torch.stack([p["zipped"][i] for i in zipped])
            features = self.model.model.multi_modal_projector(states[None])[0]
            answers[f"visionzip {keep}"] = self.answer(ids, zipped, features, [1] * keep)
            for method in ("fastv", "pyramiddrop"):
                answers[f"{method} {keep}"] = self.dropped(ids, p["features"], method, keep)
            answers[f"visionzip {keep} merged"] = self.answer(ids, zipped, features, p["sizes"])
        pooled = pooling(p, (4, 8))
        middles = [(2 * (i // 8)) * 8 + i % 8 for i in range(32)]
        answers["pooling 32"] = self.answer(ids, middles, pooled, [1] * 32)
        return dict(image=row["image"], question=row["question"], kept=found, answers=answers)


# CDPruner's relevance: minus the cosines of patches, through CLIP's last norm and projection, and of the question, in as many pieces as CLIP's
# texts are short.
def relevances():
    folder, clip_folder = OUT.parent / "vlms" / "llava", ROOT / "fixtures" / "encoders" / "clip"
    llava = tf.LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    clip = tf.CLIPModel.from_pretrained(clip_folder, dtype=torch.float32).eval()
    tokenizer = tf.AutoTokenizer.from_pretrained(clip_folder)
    processor = tf.CLIPImageProcessorPil.from_pretrained(folder)
    pixels = processor(Image.open(folder.parent / "picture.png"), return_tensors="pt")["pixel_values"]
    states = llava.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    patches = clip.visual_projection(clip.vision_model.post_layernorm(states))[0]
    found = []
    for question in ("What is in the picture?", "Is there a cat, or is there a dog, or is it something else that one sees? " * 3):
        ids = tokenizer(question)["input_ids"]
        longest = clip.config.text_config.max_position_embeddings
        pieces = [ids[i : i + longest] for i in range(0, len(ids), longest)]
        texts = torch.cat(
            [clip.text_projection(clip.text_model(torch.tensor([piece])).pooler_output) for piece in pieces]
        )
        cosines = torch.nn.functional.normalize(patches, dim=-1) @ torch.nn.functional.normalize(texts, dim=-1).T
        found.append(dict(question=question, pieces=len(pieces), relevance=(-cosines).mean(1).tolist()))
    return found


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    pictures = {
        name: [choices(made(shape, n), [64, 128, 192]) for n in range(PICTURES)] for name, shape in SHAPES.items()
    }
    for name, shape in SHAPES.items():
        for n in range(PICTURES):
            p = made(shape, n)
            pictures[name][n]["sizes"] = merged(p, pictures[name][n]["divprune"][64])[1].tolist()
            if shape["class_token"]:
                visionzip(p, 64)
                pictures[name][n]["zipSizes"] = p["sizes"]
    tiny = Tiny()
    rows_ = json.loads((ROOT / "fixtures" / "scenes" / "test.json").read_text())
    scenes = [tiny.golden(rows_[i]) for i in (0, 9, 13, 44, 107)]
    data = json.dumps(dict(shapes=SHAPES, pictures=pictures, scenes=scenes, relevances=relevances()), separators=(",", ":")).encode()
    OUT.write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    main()
