"""Draws scenes that training never sees, in VQAonline's record format: 300 to be tested on, and 64 to calibrate on.

Needs: requirements.txt.
Run:   python3 tools/train/heldout.py
Writes fixtures/scenes/test.json, fixtures/scenes/calibration.json and fixtures/scenes/images/.

Training draws its scenes from other seeds. Topics take turns; descriptions, whose answers are longest, come twice as often as the others.
To be tested on, each question has a picture of its own; to calibrate on, four share one.
"""

import json
import shutil
from pathlib import Path
from random import Random

from questions import TOPICS, ask
from scenes import random_scene, render

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "scenes"
TURNS = (*TOPICS, "description")


def draw(split: str, picture_name: str, seed: int, pictures: int, questions_each: int) -> None:
    rng = Random(seed)
    records: list[dict[str, str]] = []
    while len(records) < pictures * questions_each:
        number = len(records) // questions_each
        name = f"{picture_name}_{number:03d}.png"
        scene = random_scene(rng)
        picture = render(scene, rng)
        topics = [TURNS[(len(records) + n) % len(TURNS)] for n in range(questions_each)]
        found = [ask(rng, scene, topic) for topic in topics]
        if any(one is None for one in found):
            continue
        picture.save(FOLDER / "images" / name, optimize=True)
        for topic, (question, answer) in zip(topics, found):
            records.append({
                "image": name, "question": question, "context": "", "answer": answer, "topic": topic,
                "url": f"scene:{seed}/{number}",
            })
    (FOLDER / f"{split}.json").write_text(json.dumps(records, indent=1) + "\n")


def main() -> None:
    shutil.rmtree(FOLDER / "images", ignore_errors=True)
    (FOLDER / "images").mkdir(parents=True)
    draw("test", "scene", seed=20260, pictures=300, questions_each=1)
    draw("calibration", "calibration", seed=40261, pictures=64, questions_each=4)


if __name__ == "__main__":
    main()
