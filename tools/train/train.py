"""Trains fixtures/tiny-llava from nothing, on scenes drawn as it goes.

Needs: an NVIDIA GPU, and requirements.txt.
Run:   python3 tools/train/train.py --out fixtures/tiny-llava
Writes the checkpoint in f16, and training/log.json: how the loss fell.

The learning rate follows the clock, so that training ends when it should on whatever GPU there is. Scenes, weights at the start and
the order of the data follow from the seed; sums on a GPU do not, so another run ends with other weights that answer as well.
"""

import argparse
import json
import math
import os
import platform
import time
from pathlib import Path

import torch
import transformers as tf
from torch.nn import functional
from torch.utils.data import DataLoader

import checkpoint
from packed import IGNORED, PackedQuestions

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.5, help="of training; starting takes another one or two")
    parser.add_argument("--batch", type=int, default=256, help="pictures a step")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--warmup", type=int, default=150, help="steps")
    parser.add_argument("--decay", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 1))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    return parser.parse_args()


class Learner(torch.nn.Module):
    """The loss of a batch, through the parts of the model that transformers runs."""

    def __init__(self, model: tf.LlavaForConditionalGeneration, image_tokens: int):
        super().__init__()
        self.model, self.image_tokens = model, image_tokens
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1))

    def forward(self, pixels, ids, labels, positions, segments):
        logits = self.logits(pixels, ids, positions, segments)
        return functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED)

    def logits(self, pixels, ids, positions, segments):
        parts = self.model.model
        seen = (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.deviation
        states = parts.vision_tower(seen).last_hidden_state[:, 1:]
        features = parts.multi_modal_projector(states)
        embedded = parts.language_model.embed_tokens(ids)
        # The picture's tokens lie at the same place in every row.
        first = self.first_image_token
        embedded = torch.cat([embedded[:, :first], features.to(embedded.dtype), embedded[:, first + self.image_tokens :]], 1)
        order = torch.arange(ids.shape[1], device=ids.device)
        visible = (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
        visible = (visible & (order[None, :] <= order[:, None])[None])[:, None]
        hidden = parts.language_model(
            inputs_embeds=embedded, attention_mask=visible, position_ids=positions, use_cache=False
        ).last_hidden_state
        return self.model.lm_head(hidden)


@torch.no_grad()
def exact_match(learner: Learner, batches: list) -> tuple[int, int]:
    """Answers of which every token is the likeliest, and all answers: what greedy generation would get right."""
    right = total = 0
    for pixels, ids, labels, positions, segments in batches:
        wrong = (learner.logits(pixels, ids, positions, segments).argmax(-1) != labels) & (labels != IGNORED)
        # The last token of a segment foretells nothing, so each label lies within its answer's own segment.
        answers = torch.zeros(len(ids), int(segments.max()) + 1, device=ids.device)
        answers.scatter_add_(1, segments.clamp(min=0), wrong.float())
        there = segments.amax(1)
        total += int(there.sum())
        right += sum(int((row[1 : count + 1] == 0).sum()) for row, count in zip(answers, there.tolist()))
    return right, total


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    parts = checkpoint.processor()
    tokenizer = parts.tokenizer
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    if args.start:
        model = tf.LlavaForConditionalGeneration.from_pretrained(args.start, dtype=torch.float32)
    else:
        model = tf.LlavaForConditionalGeneration(checkpoint.configuration(image_token))
    model.to(args.device).train()
    learner = Learner(model, checkpoint.IMAGE_TOKENS).to(args.device)
    learner.first_image_token = tokenizer(checkpoint.prompt("?")).input_ids.index(image_token)

    plain = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    decayed = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": args.decay}, {"params": plain, "weight_decay": 0}],
        lr=args.rate, betas=(0.9, 0.98), fused=args.device == "cuda",
    )
    data = PackedQuestions(tokenizer, checkpoint.IMAGE_TOKENS, args.batch, args.seed)
    batches = iter(DataLoader(
        data, batch_size=None, num_workers=args.workers, prefetch_factor=4, pin_memory=args.device == "cuda",
    ))
    loss_of = torch.compile(learner) if args.compile else learner

    begun, step, log, waited = time.monotonic(), 0, [], 0.0
    started = begun
    losses = []
    while True:
        elapsed = time.monotonic() - started
        progress = min(1, elapsed / (args.minutes * 60))
        rate = args.rate * min(1, (step + 1) / args.warmup) * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        fetching = time.monotonic()
        batch = [part.to(args.device, non_blocking=True) for part in next(batches)]
        waited += time.monotonic() - fetching
        with torch.autocast(args.device, torch.bfloat16):
            loss = loss_of(*batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
        step += 1
        if step == 1:
            # Compiling is none of the training.
            started, waited = time.monotonic(), 0.0
        if step % 100 == 0 or progress == 1:
            mean = torch.stack(losses).mean().item()
            losses = []
            seconds = time.monotonic() - started
            log.append({"step": step, "seconds": round(seconds, 1), "loss": round(mean, 5), "rate": round(rate, 6)})
            print(f"step {step}: loss {mean:.4f}, {seconds:.0f} s, {waited:.1f} s of them waiting for data", flush=True)
        if progress == 1:
            break

    with torch.autocast(args.device, torch.bfloat16):
        fresh = [[part.to(args.device) for part in next(batches)] for _ in range(8)]
        right, total = exact_match(learner.eval(), fresh)
    print(f"exact match on fresh scenes: {right} of {total}", flush=True)
    (args.out / "training").mkdir(parents=True, exist_ok=True)
    checkpoint.save(model.eval(), parts, args.out)
    report = {
        "minutes": args.minutes, "batch": args.batch, "rate": args.rate, "warmup": args.warmup, "decay": args.decay, "seed": args.seed,
        "steps": step, "pictures": step * args.batch, "freshExactMatch": right / total, "compile_s": round(started - begun, 1),
        "device": torch.cuda.get_device_name() if args.device == "cuda" else platform.processor(),
        "torch": torch.__version__, "transformers": tf.__version__, "log": log,
    }
    (args.out / "training" / "log.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
