"""What goes into the linears of small decoders while they are compressed block by block, as PyTorch computes it in F64: a layer is dropped, and
neurons and heads are taken out of others, on the way.

Needs: torch, transformers, pillow (see requirements.txt); engine_text.py beside it; fixtures/checkpoints; packages/engine/goldens/vlms.
Run:   python3 tools/reference/engine_walks.py
Writes packages/engine/goldens/walks.json.gz
"""

import copy
import gzip
import json
from pathlib import Path

import torch
import transformers
from PIL import Image

import engine_text

ROOT = Path(__file__).resolve().parents[2]
GOLDENS = ROOT / "packages" / "engine" / "goldens"
HELD_OUT = 7
DROPPED = 1
ROWS = [0, 17, 31]


def rounded(x):
    return [float(f"{value:.10g}") for value in x.flatten().tolist()]


def texts():
    """Nine texts of 9 to 12 tokens."""
    return [[3 + (n * 31 + i * 17 + n * i) % 80 for i in range(9 + n % 4)] for n in range(9)]


QUESTIONS = [("What is in the picture?", 1, "a red square"), ("Hello", 0, "hello there"), ("Is it red?", 1, None)]


def pictures_and_answers(folder):
    """Questions about a picture and their answers, as the processor makes tokens of them."""
    processor = engine_text.family("llava")
    processor.image_processor = transformers.CLIPImageProcessorPil.from_pretrained(folder)
    picture = Image.open(GOLDENS / "vlms" / "picture.png")
    items = []
    for question, pictures, answer in QUESTIONS:
        content = [*({"type": "image"} for _ in range(pictures)), {"type": "text", "text": question}] if pictures else question
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = dict(processor(text=[prompt], images=[[picture] * pictures] if pictures else None, return_tensors="pt"))
        ids = inputs.pop("input_ids")
        behind = [] if answer is None else processor.tokenizer(answer, add_special_tokens=False)["input_ids"]
        inputs.pop("attention_mask")
        if "pixel_values" in inputs:
            inputs["pixel_values"] = inputs["pixel_values"].double()
        items.append({"ids": ids[0].tolist() + behind, "extra": inputs, "prompt": ids.shape[1] if behind else None})
    return items


class Walker:
    """A model, its layers, and where the residual stream can be seen in them."""

    def __init__(self, model, kind):
        self.model, self.kind = model, kind

    @property
    def decoder(self):
        inner = self.model.model
        return inner.language_model if hasattr(inner, "language_model") else inner.decoder if self.kind == "opt" else inner

    def middle(self, layer):
        """The norm that takes in the stream behind attention."""
        return {"opt": "final_layer_norm", "gemma2": "pre_feedforward_layernorm"}.get(self.kind, "post_attention_layernorm"), layer

    def linears(self, layer, block):
        attention = layer.self_attn
        if block == "attention":
            return [attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj if self.kind == "opt" else attention.o_proj]
        return [layer.fc1, layer.fc2] if self.kind == "opt" else [layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj]

    def run(self, item, number, block):
        """Inputs of the block's linears, the stream before it and behind it, and logits."""
        seen = {}
        layer = self.decoder.layers[number]
        name, _ = self.middle(layer)
        handles = [
            layer.register_forward_pre_hook(lambda _, args: seen.__setitem__("start", args[0][0])),
            layer.register_forward_hook(lambda _, args, result: seen.__setitem__("end", (result[0] if isinstance(result, tuple) else result)[0])),
            getattr(layer, name).register_forward_pre_hook(lambda _, args: seen.__setitem__("middle", args[0].reshape(-1, args[0].shape[-1]))),
        ]
        for i, linear in enumerate(self.linears(layer, block)):
            handles.append(linear.register_forward_pre_hook(lambda _, args, i=i: seen.__setitem__(i, args[0].reshape(-1, args[0].shape[-1]))))
        ids = torch.tensor([item["ids"]])
        with torch.inference_mode():
            seen["logits"] = self.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **item["extra"]).logits[0]
        for handle in handles:
            handle.remove()
        before, after = (seen["start"], seen["middle"]) if block == "attention" else (seen["middle"], seen["end"])
        return {"inputs": [seen[i] for i in range(len(self.linears(layer, block)))], "before": before, "after": after, "logits": seen["logits"]}


def prune(walker, layer, block):
    """Takes every fourth neuron or the last group of heads out; what stays of the last linear is scaled. Weights by their names in the layer."""
    linears = walker.linears(layer, block)
    *first, last = linears
    if block == "mlp":
        keep = [[i for i in range(last.in_features) if i % 4 != 1]] * len(first)
    else:
        attention = layer.self_attn
        head = attention.head_dim
        groups = first[1].out_features // head
        shared = first[0].out_features // head // groups
        keep = [list(range((groups - 1) * shared * head)), *[list(range((groups - 1) * head))] * 2]
        if hasattr(attention, "num_heads"):
            attention.num_heads = (groups - 1) * shared
            attention.embed_dim = attention.num_heads * head
    for linear, kept in zip(first, keep):
        linear.weight = torch.nn.Parameter(linear.weight[kept])
        linear.out_features = len(kept)
        if linear.bias is not None:
            linear.bias = torch.nn.Parameter(linear.bias[kept])
    last.weight = torch.nn.Parameter(last.weight[:, keep[0]] * 1.125)
    last.in_features = len(keep[0])


def figures(parts):
    """Statistics over sequences."""
    x = torch.cat(parts)
    return {
        "tokens": x.shape[0],
        "mean": rounded(x.mean(0)),
        "meanSquare": rounded(x.square().mean(0)),
        "maxAbs": rounded(x.abs().amax(0)),
        "sequenceMagnitude": rounded(sum(part.abs().mean(0).square() for part in parts).sqrt()),
        "gram": rounded((x.T @ x)[ROWS]),
    }


def walk(folder, kind, items, pruned):
    """Drops a layer, prunes some blocks, and tells what is seen on the way."""
    auto = transformers.AutoModelForImageTextToText if kind == "llava" else transformers.AutoModelForCausalLM
    dense = Walker(auto.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval(), kind)
    small = Walker(copy.deepcopy(dense.model), kind)
    del small.decoder.layers[DROPPED]
    text = small.model.config.get_text_config()
    if getattr(text, "layer_types", None):
        text.layer_types = [kind for i, kind in enumerate(text.layer_types) if i != DROPPED]
    names = {id(module): name for name, module in dense.model.named_modules()}
    held_out = [item for n, item in enumerate(items) if len(items) >= 8 and n % 8 == HELD_OUT]
    fitted = [item for item in items if item not in held_out]
    held_out = held_out or items

    def predicted(item):
        ids = item["ids"]
        return [i for i in range(item.get("prompt") or 1, len(ids)) if ids[i] != getattr(small.model.config, "image_token_index", -1)]

    def final_norm():
        """Products of what the final norm gives of both streams, over the tokens that predict another one."""
        if kind == "opt":
            return None
        last = len(dense.decoder.layers) - 1
        a, b = (
            torch.cat([walker.decoder.norm(walker.run(item, number, "mlp")["after"])[[i - 1 for i in predicted(item)]] for item in fitted])
            for walker, number in [(small, len(small.decoder.layers) - 1), (dense, last)]
        )
        return {"cross": rounded((a * b).sum(0)), "squares": rounded((a * a).sum(0))}

    def loss():
        nats, tokens = 0, 0
        for item in held_out:
            ids = torch.tensor(item["ids"])
            logits = small.run(item, 0, "mlp")["logits"]
            wanted = predicted(item)
            nats += torch.nn.functional.cross_entropy(logits[[i - 1 for i in wanted]], ids[wanted], reduction="sum").item()
            tokens += len(wanted)
        return nats / tokens

    blocks = []
    layers = [i for i in range(len(dense.decoder.layers)) if i != DROPPED]
    for place, index in enumerate(layers):
        for block in ["attention", "mlp"]:
            # Behind the dropped layers too.
            behind = index + 1 if block == "mlp" and index + 1 == DROPPED else index
            found = [small.run(item, place, block) for item in fitted]
            aims = [dense.run(item, behind, block)["after"] for item in fitted]
            linears = small.linears(small.decoder.layers[place], block)
            last = len(linears) - 1
            bias = linears[last].bias if linears[last].bias is not None else 0
            golden = {
                "layer": index,
                "kind": block,
                "linears": [names[id(module)] for module in dense.linears(dense.decoder.layers[index], block)],
                "inputs": [figures([run["inputs"][i] for run in found]) for i in [0, last]],
            }
            if kind != "gemma2":
                targets = torch.cat([aim - run["before"] - bias for aim, run in zip(aims, found)])
                x = torch.cat([run["inputs"][last] for run in found])
                golden["target"] = {"cross": rounded((targets.T @ x)[ROWS]), "squares": float(f"{targets.square().sum().item():.10g}")}
            golden["lossBefore"] = loss()
            if (index, block) in pruned:
                prune(small, small.decoder.layers[place], block)
            golden["pruned"] = (index, block) in pruned
            golden["loss"] = loss()
            streams = [(small.run(item, place, block)["after"], dense.run(item, behind, block)["after"]) for item in held_out]
            golden["error"] = sum((a - b).square().sum() for a, b in streams).item() / sum(b.square().sum() for _, b in streams).item()
            blocks.append(golden)
    return {"blocks": blocks, "finalNorm": final_norm(), "distances": [distances(dense, items, span) for span in [1, 2]]}


def distances(dense, items, span):
    """Mean cosine distance between streams before layer l and behind layer l + span - 1."""
    count = len(dense.decoder.layers)
    found = []
    for first in range(count - span + 1):
        parts = [(dense.run(item, first, "attention")["before"], dense.run(item, first + span - 1, "mlp")["after"]) for item in items]
        cosines = torch.cat([torch.nn.functional.cosine_similarity(a, b, dim=-1) for a, b in parts])
        found.append((1 - cosines).mean().item())
    return found


def main():
    of_texts = [{"ids": ids, "extra": {}} for ids in texts()]
    fixtures = ROOT / "fixtures" / "checkpoints"
    pruned = {(0, "mlp"), (2, "attention")}
    goldens = {"rows": ROWS, "dropped": DROPPED, "texts": texts(), "questions": QUESTIONS}
    goldens["models"] = {name: walk(fixtures / name, name, of_texts, pruned) for name in ["llama", "gemma2", "opt"]}
    folder = GOLDENS / "vlms" / "llava"
    goldens["models"]["llava"] = walk(folder, "llava", pictures_and_answers(folder), {(0, "attention"), (0, "mlp")})
    target = GOLDENS / "walks.json.gz"
    target.write_bytes(gzip.compress(json.dumps(goldens).encode(), mtime=0))
    print(f"{target}: {target.stat().st_size} bytes, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
