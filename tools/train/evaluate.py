"""What transformers answers to the held-out questions with fixtures/tiny-llava: exact match by topic, and what a blind guesser gets.

Needs: requirements.txt.
Run:   python3 tools/train/evaluate.py
Writes fixtures/tiny-llava/training/evaluation.json, and packages/engine/goldens/tiny-llava.json: the tokens of each answer.

Greedy, in f32 from the f16 weights, one question at a time. Blind guesses are made in two ways: by the model itself, shown the picture of
another question; and by a table of the commonest answer to each question among 200,000 others of the generator, or, where none of
them asks the same, to the same question with other names for things.
"""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import torch
import transformers as tf
from PIL import Image

from heldout import TURNS
from questions import TOPICS, ask
from scenes import COLOURS, SHAPES, random_scene

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "fixtures" / "tiny-llava"
SCENES = ROOT / "fixtures" / "scenes"
GUESSES = 200_000

NAMES = re.compile(rf"\b(?:(?:{'|'.join(COLOURS)}|{'|'.join(SHAPES)}|small|large|object)(?:e?s)?\b ?)+")


def answers_of(model, processor, records, picture_of) -> list[list[int]]:
    found = []
    for number, record in enumerate(records):
        content = [{"type": "image"}, {"type": "text", "text": record["question"]}]
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        with Image.open(SCENES / "images" / records[picture_of(number)]["image"]) as picture:
            inputs = processor(text=[prompt], images=[picture.convert("RGB")], return_tensors="pt")
        with torch.inference_mode():
            tokens = model.generate(**inputs, max_new_tokens=100, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        found.append([token for token in tokens.tolist() if token != processor.tokenizer.eos_token_id])
    return found


def commonest_answers(records) -> list[str]:
    """The best guess of one who knows the generator and does not see the picture."""
    rng, topics = Random(7), list(TOPICS)
    same: dict[str, Counter] = defaultdict(Counter)
    alike: dict[str, Counter] = defaultdict(Counter)
    wanted = {record["question"] for record in records}
    for number in range(GUESSES):
        pair = ask(rng, random_scene(rng), topics[number % len(topics)])
        if pair is None:
            continue
        question, answer = pair
        if question in wanted:
            same[question][answer] += 1
        names = [part.strip() for part in NAMES.findall(question)]
        for place, name in enumerate(dict.fromkeys(names)):
            answer = re.sub(rf"\b{name}\b", f"[{place}]", answer)
        alike[NAMES.sub("[] ", question)][answer] += 1
    guesses = []
    for record in records:
        question = record["question"]
        if same[question].total() >= 20:
            guesses.append(same[question].most_common(1)[0][0])
            continue
        guess = alike[NAMES.sub("[] ", question)].most_common(1)
        answer = guess[0][0] if guess else ""
        for place, name in enumerate(dict.fromkeys(part.strip() for part in NAMES.findall(question))):
            answer = answer.replace(f"[{place}]", name)
        guesses.append(answer)
    return guesses


def matches(records, answers) -> dict[str, float]:
    by_topic = defaultdict(list)
    for record, answer in zip(records, answers):
        by_topic[record["topic"]].append(answer == record["answer"])
        by_topic["all"].append(answer == record["answer"])
    return {topic: round(sum(right) / len(right), 4) for topic, right in by_topic.items()}


def main() -> None:
    records = json.loads((SCENES / "test.json").read_text())
    processor = tf.AutoProcessor.from_pretrained(MODEL)
    model = tf.LlavaForConditionalGeneration.from_pretrained(MODEL, dtype=torch.float32).eval()
    tokens = answers_of(model, processor, records, lambda number: number)
    answers = [processor.tokenizer.decode(own, skip_special_tokens=True) for own in tokens]
    # Another scene, of a question of the same topic.
    step = len(TURNS)
    others = answers_of(model, processor, records, lambda number: (number + step) % len(records))
    evaluation = {
        "records": len(records),
        "exactMatch": matches(records, answers),
        "blind": {
            "otherPicture": matches(records, [processor.tokenizer.decode(own, skip_special_tokens=True) for own in others]),
            "commonestAnswer": matches(records, commonest_answers(records)),
        },
        "answerWords": dict(sorted(Counter(len(record["answer"].split()) for record in records).items())),
        "wrong": [
            {"image": record["image"], "question": record["question"], "answer": record["answer"], "given": answer}
            for record, answer in zip(records, answers) if answer != record["answer"]
        ],
    }
    (MODEL / "training" / "evaluation.json").write_text(json.dumps(evaluation, indent=1) + "\n")
    golden = [{"image": record["image"], "tokens": own, "text": text} for record, own, text in zip(records, tokens, answers)]
    lines = ",\n".join(json.dumps(answer) for answer in golden)
    (ROOT / "packages/engine/goldens/tiny-llava.json").write_text(f"[\n{lines}\n]\n")
    print(json.dumps({name: evaluation[name] for name in ("exactMatch", "blind")}, indent=1))


if __name__ == "__main__":
    main()
