"""Draws scenes for pruned models to learn from, as recipes that tools/scenes.mjs makes pictures of: 2,000 of them, with eleven questions each.

Needs: requirements.txt.
Run:   python3 tools/train/recovery.py
Writes fixtures/scenes/recovery.json.gz: of each picture its background, its things (shape, centre, radius, angle, colour) and its questions with answers.

The seed is none of training's, and none of what fixtures/scenes is tested and calibrated on.
"""

import gzip
import json
from pathlib import Path
from random import Random

from questions import WEIGHTS, ask
from scenes import SHAPES, laid_out, random_scene

FILE = Path(__file__).resolve().parents[2] / "fixtures" / "scenes" / "recovery.json.gz"
PICTURES, QUESTIONS, SEED = 2000, 11, 60263


def main() -> None:
    rng = Random(SEED)
    topics, weights = list(WEIGHTS), list(WEIGHTS.values())
    pictures = []
    for _ in range(PICTURES):
        scene = random_scene(rng)
        layout = laid_out(scene, rng)
        asked: list[tuple[str, str, str]] = []
        while len(asked) < QUESTIONS:
            topic = rng.choices(topics, weights)[0]
            found = ask(rng, scene, topic)
            if found is not None and (topic, *found) not in asked:
                asked.append((topic, *found))
        things = [
            [SHAPES.index(thing.shape), *(round(value, 2) for value in (thing.x, thing.y, thing.radius, thing.angle)), *thing.colour]
            for thing in layout.things
        ]
        pictures.append({"background": layout.background, "things": things, "questions": asked})
    text = json.dumps({"seed": SEED, "shapes": SHAPES, "pictures": pictures}, separators=(",", ":"))
    FILE.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
