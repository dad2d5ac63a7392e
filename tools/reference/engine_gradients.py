"""Gradients of small models, as PyTorch derives them in F64: of a divergence of every token's distribution from made logits, and of what a LLaVA
with weakened attention learns from itself about pictures and texts.

Needs: torch, transformers, pillow (see requirements.txt); engine_text.py, engine_walks.py beside it; fixtures/checkpoints; packages/engine/goldens/vlms.
Run:   python3 tools/reference/engine_gradients.py
Writes packages/engine/goldens/gradients.json
"""

import json
import math
from pathlib import Path

import torch
import transformers

import engine_walks

ROOT = Path(__file__).resolve().parents[2]
GOLDENS = ROOT / "packages" / "engine" / "goldens"
FAMILIES = ["llama", "mistral", "mistral-heads20", "qwen2", "qwen3", "gemma", "gemma2", "opt", "qwen2-vl", "qwen2_5-vl", "qwen3-vl", "smolvlm", "llava-next"]
TOKENS, TEMPERATURE, HIDDEN = 12, 2.0, 0.1


def load(name):
    folder = ROOT / "fixtures" / "checkpoints" / name
    kind = transformers.AutoConfig.from_pretrained(folder).model_type
    cls = transformers.AutoModelForCausalLM if kind in ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "opt") else transformers.AutoModelForImageTextToText
    return cls.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()


def divergence(aim, own, temperature):
    wanted = torch.log_softmax(aim / temperature, -1)
    return temperature**2 * (wanted.exp() * (wanted - torch.log_softmax(own / temperature, -1))).sum()


def summary(gradient):
    """Its length, and its product with a wave."""
    flat = gradient.flatten()
    wave = torch.cos(0.1 * torch.arange(len(flat), dtype=torch.float64))
    return [float(f"{x:.8g}") for x in (flat.norm().item(), (flat @ wave).item())]


def gradients_of(model):
    """By the name from `layers.` on."""
    found = {}
    for name, parameter in model.named_parameters():
        sees = any(part in name for part in ("vision", "visual", "projector", "connector"))
        if parameter.grad is not None and "layers." in name and not sees:
            found[name[name.index("layers.") :]] = summary(parameter.grad)
    return found


def text_family(name):
    model = load(name)
    config = model.config.get_text_config()
    ids = torch.tensor([[3 + (7 * i + i * i) % 80 for i in range(TOKENS)]])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[0]
    size = logits.shape[-1]
    aim = torch.tensor([[2 * math.sin(0.37 * (n * size + v)) for v in range(size)] for n in range(TOKENS)], dtype=torch.float64)
    loss = divergence(aim, logits, TEMPERATURE)
    loss.backward()
    assert config.vocab_size == size
    return {"ids": ids[0].tolist(), "loss": loss.item(), "gradients": gradients_of(model)}


def llava():
    items = [item for item in engine_walks.pictures_and_answers(GOLDENS / "vlms" / "llava") if item["prompt"] is not None]
    teacher, student = load(GOLDENS / "vlms" / "llava"), load(GOLDENS / "vlms" / "llava")
    with torch.no_grad():
        for layer in student.model.language_model.layers:
            layer.self_attn.o_proj.weight.mul_(0.5)
    total = 0
    for item in items:
        ids = torch.tensor([item["ids"]])
        seen = {}
        outputs = []
        for model in (teacher, student):
            # The stream behind the last layer, before the final norm.
            handle = model.model.language_model.layers[-1].register_forward_hook(
                lambda _, args, output: seen.update(last=output[0] if isinstance(output, tuple) else output)
            )
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **item["extra"]).logits[0]
            rows = slice(item["prompt"] - 1, len(item["ids"]))
            outputs.append((logits[rows], seen["last"].reshape(-1, seen["last"].shape[-1])[rows]))
            handle.remove()
        (aim, aim_states), (own, states) = outputs
        aim, aim_states = aim.detach(), aim_states.detach()
        loss = divergence(aim, own, TEMPERATURE)
        loss = loss + HIDDEN * ((states - aim_states).square().sum(-1) / aim_states.square().sum(-1)).sum()
        loss.backward()
        total += loss.item()
    return {"loss": total, "gradients": gradients_of(student)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {"temperature": TEMPERATURE, "hiddenWeight": HIDDEN, "families": {name: text_family(name) for name in FAMILIES}, "llava": llava()}
    (GOLDENS / "gradients.json").write_text(json.dumps(found) + "\n")
    for name, golden in found["families"].items():
        print(name, golden["loss"], len(golden["gradients"]))
    print("llava", found["llava"]["loss"], len(found["llava"]["gradients"]))
