"""Draws the held-out sample of 300 questions, each with a picture of its own, in VQAonline's record format.

Needs: requirements.txt.
Run:   python3 tools/train/heldout.py
Writes fixtures/scenes/test.json and fixtures/scenes/images/.

Training draws its scenes from other seeds. Topics take turns; descriptions, whose answers are longest, come twice as often as the others.
"""

import json
import shutil
from pathlib import Path
from random import Random

from questions import TOPICS, ask
from scenes import random_scene, render

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "scenes"
SEED = 20260
COUNT = 300
TURNS = (*TOPICS, "description")


def main() -> None:
    shutil.rmtree(FOLDER / "images", ignore_errors=True)
    (FOLDER / "images").mkdir(parents=True)
    rng = Random(SEED)
    records = []
    while len(records) < COUNT:
        topic = TURNS[len(records) % len(TURNS)]
        scene = random_scene(rng)
        picture = render(scene, rng)
        found = ask(rng, scene, topic)
        if found is None:
            continue
        number = len(records)
        name = f"scene_{number:03d}.png"
        picture.save(FOLDER / "images" / name, optimize=True)
        question, answer = found
        records.append({
            "image": name, "question": question, "context": "", "answer": answer, "topic": topic,
            "url": f"scene:{SEED}/{number}",
        })
    (FOLDER / "test.json").write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
