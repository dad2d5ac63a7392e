"""BLEU and chrF by sacrebleu, CIDEr-D and Bleu_1–4 by the COCO caption evaluation, exact match and F1 by torchmetrics' SQuAD,
ANLS by the package anls.

Needs: sacrebleu, pycocoevalcap, torchmetrics, anls (see requirements.txt).
Run:   python3 tools/reference/metrics_overlap.py
Writes packages/metrics/goldens/overlap.json.gz
"""

import gzip
import json
import random

import anls
import sacrebleu
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from sacrebleu.metrics import BLEU, CHRF
from torchmetrics.functional.text.squad import _compute_exact_match_score, _compute_f1_score

from metrics_rouge import Path, text

GROUPS = 12
PER_GROUP = 30
BLEUS = {
    "plain": {},
    "lowercase": {"lowercase": True},
    "floor": {"smooth_method": "floor"},
    "add-k": {"smooth_method": "add-k"},
    "none": {"smooth_method": "none", "tokenize": "none"},
    "char": {"tokenize": "char"},
    "intl": {"tokenize": "intl"},
}
CHRFS = {"chrf": {}, "chrf++": {"word_order": 2}, "lowercase": {"lowercase": True}}
ODD = ["a-b 1-2 3.14, 1,000. x.y", "&quot;Tom &amp; Jerry&quot; &lt;b&gt;", "soft-\nwrap <skipped> here", "(a) [b] {c} d/e", "The, the; THE!", "an apple a day", "'tis it's", "x"]


def number(x):
    return float(f"{float(x):.12g}")


def padded(references):
    """References as sacrebleu takes them: as many streams as the item with most has."""
    most = max(len(own) for own in references)
    return [[own[i] if i < len(own) else None for own in references] for i in range(most)]


def group(rng, index):
    pick = lambda: rng.choice(ODD) if rng.random() < 0.25 else text(rng)
    references = [[pick() for _ in range(rng.randrange(1, 4))] for _ in range(1 if index == 0 else PER_GROUP)]
    predictions = [own[0] if rng.random() < 0.15 else pick() for own in references]
    for i, own in enumerate(references):
        if rng.random() < 0.5:
            words = own[0].split(" ")
            rng.shuffle(words)
            predictions[i] = " ".join(words[: max(1, len(words) * 3 // 4)])
    streams = padded(references)
    gts, res = dict(enumerate(references)), {i: [p] for i, p in enumerate(predictions)}
    cider, ciders = Cider().compute_score(gts, res)
    coco, cocos = Bleu(4).compute_score(gts, res, verbose=0)
    return {
        "predictions": predictions,
        "references": references,
        "bleu": {
            name: {
                "corpus": number(BLEU(**options).corpus_score(predictions, streams).score),
                "items": [number(BLEU(effective_order=True, **options).sentence_score(p, r).score) for p, r in zip(predictions, references)],
            }
            for name, options in BLEUS.items()
        },
        "chrf": {
            name: {
                "corpus": number(CHRF(**options).corpus_score(predictions, streams).score),
                "items": [number(CHRF(**options).sentence_score(p, r).score) for p, r in zip(predictions, references)],
            }
            for name, options in CHRFS.items()
        },
        "cider": {"corpus": number(cider), "items": [number(x) for x in ciders]},
        "coco": {"corpus": [number(x) for x in coco], "items": [[number(x) for x in item] for item in zip(*cocos)]},
        "exact": [number(max(_compute_exact_match_score(p, r) for r in own)) for p, own in zip(predictions, references)],
        "f1": [number(max(_compute_f1_score(p, r) for r in own)) for p, own in zip(predictions, references)],
        "anls": [number(anls.anls_score(p, own)) for p, own in zip(predictions, references)],
    }


def main():
    rng = random.Random(5)
    groups = [group(rng, index) for index in range(GROUPS)]
    path = Path(__file__).parents[2] / "packages/metrics/goldens/overlap.json.gz"
    path.write_bytes(gzip.compress(json.dumps(groups, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0))
    print(path.stat().st_size, "bytes, sacrebleu", sacrebleu.__version__)


main()
