"""What training must give: AdamW's steps as torch.optim.AdamW takes them, and the loss of 50 steps in which fixtures/tiny-llava, its attention
weakened, learns its own answers to questions about seven pictures.

Needs: torch, transformers, pillow (see requirements.txt); fixtures/tiny-llava; fixtures/scenes.
Run:   python3 tools/reference/recover_goldens.py
Writes packages/recover/goldens/adamw.json and packages/bench/goldens/recovered-tiny-llava.json
"""

import json
import math
from pathlib import Path

import torch
import transformers
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
MODEL, SCENES = ROOT / "fixtures" / "tiny-llava", ROOT / "fixtures" / "scenes"
PICTURES, HELD_OUT, STEPS = 8, 7, 50


def adamw():
    settings = {"rate": 0.02, "beta1": 0.9, "beta2": 0.98, "epsilon": 1e-8, "weightDecay": 0.1}
    weight = torch.nn.Parameter(torch.tensor([0.5, -1.0, 2.0, 0.0, 1e-3]))
    optimizer = torch.optim.AdamW([weight], lr=0.02, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.1)
    steps = []
    for step in range(12):
        gradient = [math.sin(1.7 * step + i) * 10.0 ** (i - 3) for i in range(5)]
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        steps.append({"gradient": gradient, "weight": weight.tolist()})
    return {"settings": settings, "start": [0.5, -1.0, 2.0, 0.0, 1e-3], "steps": steps}


def prompt_of(processor, question):
    content = [{"type": "image"}, {"type": "text", "text": question}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)


def rows():
    """Questions and answers of each picture that is learned from."""
    found = {}
    for row in json.loads((SCENES / "calibration.json").read_text()):
        found.setdefault(row["image"], []).append(row)
    return [row for n, name in enumerate(list(found)[:PICTURES]) if n != HELD_OUT for row in found[name]]


def rate_of(step, rate):
    rising = min(20, math.ceil(STEPS / 10))
    if step < rising:
        return rate * (step + 1) / rising
    share = (step - rising) / (STEPS - rising)
    return rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def tiny_llava():
    processor = transformers.AutoProcessor.from_pretrained(MODEL)
    teacher = transformers.AutoModelForImageTextToText.from_pretrained(MODEL, dtype=torch.float32).eval()
    student = transformers.AutoModelForImageTextToText.from_pretrained(MODEL, dtype=torch.float32).eval()
    language = student.model.language_model
    with torch.no_grad():
        for layer in language.layers:
            layer.self_attn.o_proj.weight.mul_(0.5)
    items = []
    for row in rows():
        picture = Image.open(SCENES / "images" / row["image"])
        inputs = processor(text=[prompt_of(processor, row["question"])], images=[picture], return_tensors="pt")
        answer = processor.tokenizer(row["answer"], add_special_tokens=False, return_tensors="pt")["input_ids"]
        ids = torch.cat([inputs["input_ids"], answer], 1)
        seen = {}
        handle = teacher.model.language_model.register_forward_pre_hook(lambda _, args, kwargs: seen.update(kwargs), with_kwargs=True)
        with torch.no_grad():
            logits = teacher(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=inputs["pixel_values"], use_cache=False).logits
        handle.remove()
        learned = slice(inputs["input_ids"].shape[1] - 1, ids.shape[1])
        items.append((seen["inputs_embeds"][0], logits[0, learned], learned))
    tokens = sum(aim.shape[0] for _, aim, _ in items)
    longest = max(embeds.shape[0] for embeds, _, _ in items)
    embeds = torch.stack([torch.nn.functional.pad(own, (0, 0, 0, longest - own.shape[0])) for own, _, _ in items])
    mask = torch.stack([(torch.arange(longest) < own.shape[0]).long() for own, _, _ in items])
    for parameter in student.parameters():
        parameter.requires_grad_(False)
    trained = [*language.layers.parameters(), language.norm.weight]
    for parameter in trained:
        parameter.requires_grad_(True)
    rate = 1e-3 * math.sqrt((PICTURES - 1) / 32) * 384 / 384
    optimizer = torch.optim.AdamW(trained, lr=rate, betas=(0.9, 0.98), eps=1e-8, weight_decay=0)
    losses = []
    for step in range(STEPS):
        states = language(inputs_embeds=embeds, attention_mask=mask, use_cache=False).last_hidden_state
        loss = 0
        for n, (_, aim, learned) in enumerate(items):
            own = torch.log_softmax(student.lm_head(states[n, learned]), -1)
            wanted = torch.log_softmax(aim, -1)
            loss = loss + (wanted.exp() * (wanted - own)).sum() / tokens
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate_of(step, rate)
        optimizer.step()
        losses.append(loss.item())
    return {"pictures": PICTURES, "tokens": tokens, "losses": losses}


if __name__ == "__main__":
    torch.set_num_threads(1)
    (ROOT / "packages" / "recover" / "goldens").mkdir(exist_ok=True)
    (ROOT / "packages" / "recover" / "goldens" / "adamw.json").write_text(json.dumps(adamw()) + "\n")
    golden = tiny_llava()
    (ROOT / "packages" / "bench" / "goldens" / "recovered-tiny-llava.json").write_text(json.dumps(golden) + "\n")
    print(golden["tokens"], golden["losses"][0], golden["losses"][-1])
