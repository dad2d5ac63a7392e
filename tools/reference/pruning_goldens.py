"""Prunes the fixtures in PyTorch by the plain formulas, for @vlmopt/pruning to be compared with.

    python3 tools/reference/pruning_goldens.py              (needs torch and transformers 5; writes packages/pruning/goldens/)
    python3 tools/reference/pruning_goldens.py check FOLDER (loads what vlmopt pruned, FOLDER/<case>/, and compares logits)

Logits come from the *unpruned* model with the weights that read removed neurons and heads set to zero (and removed layers skipped), so
that they owe nothing to slicing. Hashes are of the sliced tensors.
"""

import hashlib
import json
import math
import sys
import warnings
from pathlib import Path

import torch
import transformers as tf
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures/checkpoints"
GOLDENS = ROOT / "packages/pruning/goldens/pruning.json"

CASES = [
    *[dict(fixture=name, neurons=dict(method="maw", ratio=0.3, divisor=8))
      for name in ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "opt", "llava", "llava-hub", "llava-new", "llava-next",
                   "qwen2-vl", "qwen2_5-vl", "qwen3-vl", "paligemma", "paligemma2", "blip-2", "smolvlm"]],
    *[dict(fixture="llama", neurons=dict(method=method, ratio=0.41, divisor=1)) for method in ["vow", "pon", "l2"]],
    dict(fixture="llava-next", neurons=dict(method="vow", ratio=0.5, divisor=1)),
    dict(fixture="opt", neurons=dict(method="pon", ratio=0.2, divisor=1)),
    dict(fixture="llava", heads=dict(ratio=0.3, mode="per-layer", unit="within-groups")),
    dict(fixture="llava", heads=dict(ratio=0.1, mode="per-layer", unit="within-groups")),
    dict(fixture="llava", heads=dict(ratio=0.3, mode="seed", unit="within-groups")),
    dict(fixture="llama", heads=dict(ratio=0.1, mode="per-layer", unit="within-groups")),
    *[dict(fixture=name, heads=dict(ratio=ratio, mode="per-layer", unit=unit))
      for name in ["mistral", "qwen2", "qwen3", "qwen3-vl", "llava-next"]
      for ratio, unit in [(0.3, "within-groups"), (0.5, "groups")]],
    dict(fixture="paligemma", heads=dict(ratio=0.1, mode="per-layer", unit="within-groups")),
    dict(fixture="smolvlm", heads=dict(ratio=0.3, mode="per-layer", unit="within-groups")),
    *[dict(fixture=name, neurons=dict(method="maw", ratio=0.3, divisor=8), heads=dict(ratio=0.3, mode="per-layer", unit="within-groups"))
      for name in ["llava", "llava-new", "llava-next", "paligemma", "paligemma2", "smolvlm", "qwen3-vl"]],
    dict(fixture="llava", drop=[1]),
    dict(fixture="gemma2", drop=[0]),
    dict(fixture="qwen2-vl", drop=[2], neurons=dict(method="maw", ratio=0.3, divisor=8)),
    dict(fixture="llava", sparsity=dict(ratio=0.3, groupSize=1)),
    dict(fixture="llava", sparsity=dict(ratio=0.7, groupSize=5)),
]


def case_name(case: dict) -> str:
    parts = [case["fixture"]]
    if "neurons" in case:
        parts.append(f"{case['neurons']['method']}-{case['neurons']['ratio']}")
    if "heads" in case:
        parts.append("heads-{ratio}-{mode}-{unit}".format(**case["heads"]))
    if "drop" in case:
        parts.append("drop-" + "-".join(map(str, case["drop"])))
    if "sparsity" in case:
        parts.append("l1-{ratio}-{groupSize}".format(**case["sparsity"]))
    return "_".join(parts)


def load(folder: Path):
    config = tf.AutoConfig.from_pretrained(folder)
    is_text = not hasattr(config, "text_config")
    auto = tf.AutoModelForCausalLM if is_text else tf.AutoModelForImageTextToText
    model, info = auto.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), (folder, info)
    return model.eval()


def decoder_layers(model):
    for _, module in model.named_modules():
        layers = getattr(module, "layers", None)
        if isinstance(layers, torch.nn.ModuleList) and hasattr(layers[0], "self_attn"):
            if hasattr(layers[0], "fc1") or hasattr(getattr(layers[0], "mlp", None), "gate_proj"):
                if not ("Vision" in type(layers[0]).__name__ or "CLIP" in type(layers[0]).__name__ or "Siglip" in type(layers[0]).__name__):
                    return module, layers
    raise LookupError("no decoder")


def logits_of(model) -> torch.Tensor:
    torch.manual_seed(1)
    ids = torch.randint(3, 90, (1, 12))
    inputs = {"input_ids": ids}
    if model.config.model_type == "blip-2":
        inputs["input_ids"] = torch.cat([torch.full((1, 4), 90), ids], dim=1)
        inputs["pixel_values"] = torch.randn(1, 3, 28, 28)
    with torch.no_grad():
        return model(**inputs).logits[0, -2:].float()


def neuron_parts(layer):
    if hasattr(layer, "fc1"):
        return [layer.fc1], layer.fc2
    return [layer.mlp.gate_proj, layer.mlp.up_proj], layer.mlp.down_proj


def neuron_scores(layer, method: str) -> torch.Tensor:
    weights = [part.weight.data.double() for part in neuron_parts(layer)[0]]
    if method == "maw":
        return sum(w.max(1).values + w.min(1).values.abs() for w in weights)
    if method == "vow":
        return sum(w.var(1) for w in weights)
    if method == "l2":
        return sum(w.norm(dim=1) for w in weights)
    norms = [w.abs().sum(1) for w in weights]
    return norms[0] * norms[1] if len(norms) == 2 else norms[0]


def keep_highest(scores: torch.Tensor, count: int) -> list[int]:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i].item(), i))
    return sorted(order[:count])


def keep_heads(scores, heads, kv_heads, ratio, unit):
    group = heads // kv_heads
    if group == 1 or unit == "groups":
        keep = kv_heads - math.ceil(ratio * kv_heads)
        worth = scores if group == 1 else (scores**2).view(kv_heads, group).sum(1)
        groups = keep_highest(worth, keep)
        return [g * group + i for g in groups for i in range(group)], groups
    keep = group - math.ceil(ratio * group)
    kept = [g * group + i for g in range(kv_heads) for i in keep_highest(scores[g * group : (g + 1) * group], keep)]
    return kept, list(range(kv_heads))


def spread(units: list[int], size: int) -> list[int]:
    return [unit * size + j for unit in units for j in range(size)]


def sha(tensor: torch.Tensor) -> str:
    bits = tensor.contiguous().view(torch.int16 if tensor.dtype == torch.bfloat16 else torch.int32)
    return hashlib.sha256(bits.numpy().tobytes()).hexdigest()


def make(case: dict) -> dict:
    folder = FIXTURES / case["fixture"]
    model = load(folder)
    stack, layers = decoder_layers(model)
    files = {}
    for path in sorted(folder.glob("*.safetensors")):
        files.update(load_file(path))
    # Names in the file of the language model's layers: those that hold its MLP.
    mlp_keys = ("mlp.gate_proj.weight", "fc1.weight")
    is_vision = lambda key: any(part in key for part in ("vision", "visual", "qformer"))
    prefixes = {}
    for key in files:
        for ending in mlp_keys:
            if key.endswith(ending) and ".layers." in key and not is_vision(key):
                prefix = key.removesuffix(ending)
                prefixes[int(prefix.split(".layers.")[1].split(".")[0])] = prefix
    golden = {"name": case_name(case), **case, "scores": {}, "kept": {}}
    sliced = dict(files)
    kept_layers = [i for i in range(len(layers)) if i not in case.get("drop", [])]

    head_scores = []
    for layer in layers:
        attention = layer.self_attn
        out = getattr(attention, "o_proj", None) or attention.out_proj
        dim = attention.head_dim
        head_scores.append(out.weight.data.double().view(out.weight.shape[0], -1, dim).pow(2).sum((0, 2)).sqrt())

    for index in kept_layers:
        layer, prefix = layers[index], prefixes[index]
        names = lambda part: [key for key in (f"{prefix}{part}.weight", f"{prefix}{part}.bias") if key in sliced]
        if request := case.get("neurons"):
            scores = neuron_scores(layer, request["method"])
            keep = (len(scores) - math.floor(request["ratio"] * len(scores))) // request["divisor"] * request["divisor"]
            kept = keep_highest(scores, keep)
            golden["scores"].setdefault("neurons", []).append([float(f"{s:.12g}") for s in scores.tolist()])
            golden["kept"].setdefault("neurons", []).append(kept)
            is_plain = hasattr(layer, "fc1")
            for part in ["fc1"] if is_plain else ["mlp.gate_proj", "mlp.up_proj"]:
                for name in names(part):
                    sliced[name] = sliced[name][kept]
            down = f"{prefix}{'fc2' if is_plain else 'mlp.down_proj'}.weight"
            sliced[down] = sliced[down][:, kept]
            mask = torch.zeros(len(scores))
            mask[kept] = 1
            neuron_parts(layer)[1].weight.data *= mask
        if request := case.get("heads"):
            attention = layer.self_attn
            dim = attention.head_dim
            scores = sum(head_scores[i] for i in kept_layers) / len(kept_layers) if request["mode"] == "seed" else head_scores[index]
            heads = len(scores)
            kv_heads = files[f"{prefix}self_attn.k_proj.weight"].shape[0] // dim
            kept, kept_kv = keep_heads(scores, heads, kv_heads, request["ratio"], request["unit"])
            golden["scores"].setdefault("heads", []).append([float(f"{s:.12g}") for s in head_scores[index].tolist()])
            golden["kept"].setdefault("heads", []).append(kept)
            golden["kept"].setdefault("kvHeads", []).append(kept_kv)
            for name in names("self_attn.q_proj"):
                sliced[name] = sliced[name][spread(kept, dim)]
            for part in ["self_attn.k_proj", "self_attn.v_proj"]:
                for name in names(part):
                    sliced[name] = sliced[name][spread(kept_kv, dim)]
            out = f"{prefix}self_attn.o_proj.weight"
            sliced[out] = sliced[out][:, spread(kept, dim)]
            mask = torch.zeros(heads, dim)
            mask[kept] = 1
            attention.o_proj.weight.data *= mask.view(-1)

    if dropped := case.get("drop"):
        moved = {}
        for key, tensor in sliced.items():
            index = next((i for i, prefix in prefixes.items() if key.startswith(prefix)), None)
            if index is None:
                moved[key] = tensor
            elif index not in dropped:
                moved[prefixes[kept_layers.index(index)] + key.removeprefix(prefixes[index])] = tensor
        sliced = moved
        for index in dropped:
            # Skipped: what comes in goes out.
            layers[index].forward = lambda hidden_states, *args, **kwargs: hidden_states

    if request := case.get("sparsity"):
        linears = [f"{prefixes[i]}{part}.weight" for i in kept_layers
                   for part in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                                "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]]
        for start in range(0, len(linears), request["groupSize"]):
            group = linears[start : start + request["groupSize"]]
            flat = torch.cat([sliced[name].flatten() for name in group])
            count = round(request["ratio"] * flat.numel())
            zeroed = torch.topk(flat.abs(), count, largest=False).indices
            flat = flat.clone()
            flat[zeroed] = 0
            for name, part in zip(group, flat.split([sliced[name].numel() for name in group])):
                sliced[name] = part.view(sliced[name].shape)
        golden["sha256"] = {name: sha(sliced[name]) for name in linears}
        return golden

    golden["sha256"] = {name: sha(tensor) for name, tensor in sorted(sliced.items()) if name not in files or tensor is not files[name]}
    golden["tensors"] = len(sliced)
    golden["logits"] = [[float(f"{x:.9g}") for x in row] for row in logits_of(model).tolist()]
    return golden


def check(folder: Path) -> None:
    """Loads every pruned checkpoint in stock transformers, generates with it, and compares its logits."""
    failures, largest = [], 0.0
    for golden in json.loads(GOLDENS.read_text()):
        if "logits" not in golden:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("default", category=DeprecationWarning)
            warnings.filterwarnings("default", category=FutureWarning)
            model = load(folder / golden["name"])
        logits = logits_of(model)
        difference = (logits - torch.tensor(golden["logits"])).abs().max().item()
        scale = max(1.0, logits.abs().max().item())
        largest = max(largest, difference / scale)
        if difference / scale > 1e-5:
            failures.append(f"{golden['name']}: logits differ by {difference} of {scale}")
        if model.config.model_type != "blip-2":
            out = model.generate(torch.randint(3, 90, (1, 5)), max_new_tokens=4, do_sample=False)
            assert out.shape[1] > 5, golden["name"]
    print(json.dumps({"failures": failures, "largest": largest}))


def main() -> None:
    if sys.argv[1:2] == ["check"]:
        check(Path(sys.argv[2]))
        return
    goldens = [make(case) for case in CASES]
    text = ",\n".join(json.dumps(golden, separators=(",", ":")) for golden in goldens)
    GOLDENS.write_text(f"[\n{text}\n]\n")
    print(len(goldens), "cases,", GOLDENS.stat().st_size, "bytes")


main()
