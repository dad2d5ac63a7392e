"""A tokenizer for the tiny BERT of engine_encoders.py, and what bert_score makes of texts with the two.

Needs: bert-score, torch, transformers (see requirements.txt); fixtures/encoders/bert by engine_encoders.py.
Run:   python3 tools/reference/engine_bertscore.py
Writes fixtures/encoders/bert/tokenizer.json, tokenizer_config.json and apps/cli/goldens/bertscore.json
"""

import json
from pathlib import Path
from string import ascii_lowercase

import transformers as tf
from bert_score import BERTScorer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "fixtures" / "encoders" / "bert"
LAYER = 2
WORDS = "the cat dog sat ran on in mat park is there no what where who it this that one two three red blue sky ball".split()
PAIRS = [
    ("The cat sat on the mat.", ["The cat is on the mat.", "There is a dog in the park"]),
    ("a dog ran", ["A dog ran in the park, and the cat sat.", "no"]),
    ("Überraschung! 重み", ["nothing of this is known"]),
    ("", ["no answer"]),
    ("where is the ball where is it", [" what   is this\n"]),
    ("the sky " * 30, ["blue sky, red ball: " * 12, "one two three"]),
]


def main():
    letters = [*ascii_lowercase, *(f"##{letter}" for letter in ascii_lowercase)]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".,?!:", *letters, *(word for word in WORDS if len(word) > 1)]
    config = tf.BertConfig.from_pretrained(FOLDER)
    assert len(vocab) <= config.vocab_size, len(vocab)
    tokenizer = tf.BertTokenizer(
        vocab={token: i for i, token in enumerate(vocab)}, do_lower_case=True, model_max_length=config.max_position_embeddings
    )
    tokenizer.save_pretrained(FOLDER)
    if not hasattr(tf.BertTokenizer, "build_inputs_with_special_tokens"):
        # bert_score calls it on no tokens at all, and transformers 5 has dropped it.
        tf.BertTokenizer.build_inputs_with_special_tokens = lambda self, ids: [self.cls_token_id, *ids, self.sep_token_id]
    scorer = BERTScorer(model_type=str(FOLDER), num_layers=LAYER, device="cpu", lang="en", nthreads=0)
    items = []
    # Batches of one: padding would let 0 be the greatest of negative similarities.
    scores = scorer.score([pair[0] for pair in PAIRS], [pair[1] for pair in PAIRS], batch_size=1)
    for (prediction, references), precision, recall, f1 in zip(PAIRS, *(score.tolist() for score in scores)):
        figures = {"bertscore": f1, "bertscore-precision": precision, "bertscore-recall": recall}
        items.append({"prediction": prediction, "references": references, "scores": {k: float(f"{v:.7g}") for k, v in figures.items()}})
    target = ROOT / "apps" / "cli" / "goldens" / "bertscore.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"layer": LAYER, "items": items}, ensure_ascii=False, indent=1) + "\n")
    print(f"{target}: {target.stat().st_size} bytes")


main()
