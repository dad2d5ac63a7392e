"""ROUGE of varied text by google's rouge_score and by the COCO caption evaluation.

    python3 tools/reference/metrics_rouge.py      (needs rouge-score and pycocoevalcap; writes packages/metrics/goldens/rouge.json.gz)
"""

import gzip
import json
import random
from pathlib import Path

from pycocoevalcap.rouge.rouge import Rouge
from rouge_score import rouge_scorer

TYPES = ["rouge1", "rouge2", "rouge3", "rouge9", "rougeL", "rougeLsum"]
WORDS = (
    "the a cat cats sat sitting on under mat running ran runs quickly generation generated naïve café 重み 模型 🦙 🦙🦙 3.14 42 1,000 "
    "don't it's e-mail **bold** `code` # - [link](x) http://x.y/z ABC Abc abc sky skies dying news happily enjoyed flies"
).split()


def sentence(rng: random.Random, length: int) -> str:
    return " ".join(rng.choice(WORDS[: rng.choice([6, 15, len(WORDS)])]) for _ in range(length))


def text(rng: random.Random) -> str:
    kind = rng.randrange(12)
    if kind == 0:
        return rng.choice(["", " ", "\n", "!!!", "重み", "🦙", "a", "The", "\n\na\n"])
    if kind == 1:
        return sentence(rng, 400)
    if kind < 6:
        return rng.choice(["\n", "\n\n", " \n"]).join(sentence(rng, rng.randrange(1, 14)) for _ in range(rng.randrange(1, 6)))
    if kind == 6:
        return " ".join([rng.choice(WORDS)] * rng.randrange(1, 30))
    return sentence(rng, rng.randrange(1, 40))


def main() -> None:
    rng = random.Random(20)
    scorers = {stem: rouge_scorer.RougeScorer(TYPES, use_stemmer=stem) for stem in (False, True)}
    coco = Rouge()
    cases = []
    for i in range(420):
        references = [text(rng) for _ in range(1 if i % 3 else rng.randrange(2, 5))]
        prediction = text(rng) if i % 7 else references[-1]
        case = {"prediction": prediction, "references": references}
        for stem, scorer in scorers.items():
            scores = scorer.score_multi(references, prediction)
            case["stemmed" if stem else "plain"] = [[float(f"{x:.12g}") for x in scores[name]] for name in TYPES]
        case["coco"] = float(f"{coco.calc_score([prediction], references):.12g}")
        cases.append(case)
    path = Path(__file__).parents[2] / "packages/metrics/goldens/rouge.json.gz"
    data = json.dumps({"types": TYPES, "cases": cases}, ensure_ascii=False, separators=(",", ":"))
    path.write_bytes(gzip.compress(data.encode(), mtime=0))


if __name__ == "__main__":
    main()
