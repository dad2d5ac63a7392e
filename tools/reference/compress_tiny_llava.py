"""fixtures/tiny-llava without half and without 70 % of its neurons: the whole compression in PyTorch and F64, and what the result answers.

Layer by layer: greedy optimal brain surgeon on the Gram matrix of down_proj's inputs (damping 0.01), then least squares for down_proj, half of it
against what the residual stream lacks, with a pull of 0.01 towards the old weights. Last the final norm's gain, by least squares over the tokens
that predict an answer, where the loss of the items held out (one of sixteen) falls. Weights are F16 again.

Needs: torch, transformers, pillow (see requirements.txt); fixtures/tiny-llava; fixtures/scenes.
Run:   python3 tools/reference/compress_tiny_llava.py
Writes packages/bench/goldens/compressed-tiny-llava.json
"""

import copy
import json
from pathlib import Path

import torch
import transformers
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
MODEL, SCENES = ROOT / "fixtures" / "tiny-llava", ROOT / "fixtures" / "scenes"
DAMPING, PULL, SHARE = 0.01, 0.01, 0.5


def prompt_of(processor, question):
    content = [{"type": "image"}, {"type": "text", "text": question}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)


def picture(name):
    return Image.open(SCENES / "images" / name)


def embedded(model, processor, rows):
    """What goes into the first layer, and the places of each token, of every question with its answer."""
    seen = {}
    language = model.model.language_model
    handle = language.layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: seen.update(stream=args[0], rotary=kwargs["position_embeddings"]), with_kwargs=True
    )
    found = []
    for row in rows:
        inputs = processor(text=[prompt_of(processor, row["question"])], images=[picture(row["image"])], return_tensors="pt")
        answer = processor.tokenizer(row["answer"], add_special_tokens=False, return_tensors="pt")["input_ids"]
        ids = torch.cat([inputs["input_ids"], answer], 1)
        with torch.no_grad():
            model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=inputs["pixel_values"].to(model.dtype), use_cache=False)
        found.append((seen["stream"], seen["rotary"], ids[0, inputs["input_ids"].shape[1] :]))
    handle.remove()
    return found


def attended(layer, stream, rotary):
    normed = layer.input_layernorm(stream)
    return stream + layer.self_attn(hidden_states=normed, position_embeddings=rotary, attention_mask=None)[0]


def neurons_of(layer, stream):
    normed = layer.post_attention_layernorm(stream)
    return torch.nn.functional.silu(layer.mlp.gate_proj(normed)) * layer.mlp.up_proj(normed)


def surgeon(weight, gram, keep):
    """Columns that stay."""
    count = weight.shape[1]
    inverse = torch.linalg.inv(gram + DAMPING * gram.diagonal().mean() * torch.eye(count, dtype=gram.dtype))
    weight, left = weight.clone(), torch.ones(count, dtype=torch.bool)
    for _ in range(count - keep):
        cost = torch.where(left, weight.square().sum(0) / inverse.diagonal(), torch.inf)
        gone = int(cost.argmin())
        left[gone] = False
        row = inverse[gone] / inverse[gone, gone]
        weight -= weight[:, gone : gone + 1] * row
        inverse = inverse - inverse[:, gone : gone + 1] * row
        inverse[gone], inverse[:, gone], inverse[gone, gone], weight[:, gone] = 0, 0, 1, 0
    return left.nonzero().flatten()


@torch.no_grad()
def compress(dense, streams, keep):
    model = copy.deepcopy(dense)
    count = min(16, len(streams) // 8)
    held_out = [(n + 1) * count // len(streams) > n * count // len(streams) for n in range(len(streams))]
    wanted = [stream for stream, *_ in streams]
    found = list(wanted)
    kept = []
    for big, small in zip(dense.model.language_model.layers, model.model.language_model.layers):
        wanted = [attended(big, stream, rotary) for stream, (_, rotary, _) in zip(wanted, streams)]
        found = [attended(small, stream, rotary) for stream, (_, rotary, _) in zip(found, streams)]
        behind = [stream + big.mlp.down_proj(neurons_of(big, stream)) for stream in wanted]
        x = [neurons_of(small, stream) for stream in found]
        fitted = [n for n, out in enumerate(held_out) if not out]
        inputs = torch.cat([x[n][0] for n in fitted])
        lacking = torch.cat([(behind[n] - found[n])[0] for n in fitted])
        old = small.mlp.down_proj.weight
        gram = inputs.T @ inputs
        units = surgeon(old, gram, keep)
        kept.append(units.tolist())
        inputs, part = inputs[:, units], gram[units][:, units]
        target = SHARE * lacking + (1 - SHARE) * torch.cat([small.mlp.down_proj(x[n])[0] for n in fitted])
        ridge = PULL * part.diagonal().mean()
        right = target.T @ inputs + ridge * old[:, units]
        new = torch.linalg.solve(part + ridge * torch.eye(keep, dtype=part.dtype), right, left=False)
        stored = lambda weight: torch.nn.Parameter(weight.half().to(weight.dtype))
        small.mlp.gate_proj.weight, small.mlp.up_proj.weight = (stored(linear.weight[units]) for linear in (small.mlp.gate_proj, small.mlp.up_proj))
        small.mlp.down_proj.weight = stored(new)
        found = [stream + small.mlp.down_proj(neurons_of(small, stream)) for stream in found]
        wanted = behind
    fit_final_norm(model, found, wanted, [ids for *_, ids in streams], held_out)
    return model, kept


def fit_final_norm(model, found, wanted, answers, held_out):
    norm = model.model.language_model.norm
    behind = lambda stream, ids: norm(stream[0, -len(ids) - 1 : -1])

    def loss():
        rows = [(model.lm_head(behind(stream, ids)), ids) for stream, ids, out in zip(found, answers, held_out) if out]
        logits, ids = (torch.cat(part) for part in zip(*rows))
        return torch.nn.functional.cross_entropy(logits, ids).item()

    a, b = (
        torch.cat([behind(stream, ids) for stream, ids, out in zip(streams, answers, held_out) if not out]) for streams in (found, wanted)
    )
    old, before = norm.weight, loss()
    norm.weight = torch.nn.Parameter((old * (a * b).sum(0) / (a * a).sum(0)).half().to(old.dtype))
    after = loss()
    print("loss", before, after)
    if after >= before:
        norm.weight = old


@torch.no_grad()
def answers(model, processor, rows):
    found = []
    for row in rows:
        inputs = processor(text=[prompt_of(processor, row["question"])], images=[picture(row["image"])], return_tensors="pt")
        inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
        tokens = model.generate(**inputs, max_new_tokens=64, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        found.append(processor.decode(tokens, skip_special_tokens=True).strip())
    return found


def main():
    processor = transformers.AutoProcessor.from_pretrained(MODEL, use_fast=False)
    dense = transformers.AutoModelForImageTextToText.from_pretrained(MODEL, dtype=torch.float64, attn_implementation="sdpa").eval()
    calibration, test = (json.loads((SCENES / f"{name}.json").read_text()) for name in ("calibration", "test"))
    streams = embedded(dense, processor, calibration)
    golden = {}
    for ratio, keep in [("0.5", 320), ("0.7", 192)]:
        model, kept = compress(dense, streams, keep)
        found = answers(model.float(), processor, test)
        right = sum(own == row["answer"].strip() for own, row in zip(found, test))
        golden[ratio] = {"neurons": kept, "right": right}
        print(ratio, right, "of", len(test), flush=True)
    folder = ROOT / "packages" / "bench" / "goldens"
    folder.mkdir(exist_ok=True)
    (folder / "compressed-tiny-llava.json").write_text(json.dumps(golden) + "\n")


main()
