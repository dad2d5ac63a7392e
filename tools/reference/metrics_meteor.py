"""METEOR, word_tokenize, Punkt and WordNet of varied text by NLTK.

    python3 tools/reference/metrics_meteor.py [--dict /usr/share/wordnet]

Needs NLTK (3.8.1, 3.9.2 and 3.10.4 were run, one after the other: the releases differ, and each writes a file of its own) and the dict folder
of Debian's wordnet-base. Writes packages/metrics/goldens/{meteor-nltk-3.x,wordnet-3.x}.json.gz, and with 3.10 Punkt parameters learnt from a
made-up text to goldens/nltk_data/tokenizers/punkt_tab/english, which all releases then use.
"""

import argparse
import gzip
import json
import random
import tempfile
import warnings
from pathlib import Path

import nltk
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer, PunktTrainer
from nltk.translate.meteor_score import align_words, meteor_score

GOLDENS = Path(__file__).parents[2] / "packages/metrics/goldens"
PUNKT = GOLDENS / "nltk_data/tokenizers/punkt_tab/english"
RELEASE = ".".join(nltk.__version__.split(".")[:2])

PLAIN = (
    "the a an of to in on under cat cats dog dogs mat sat sitting sits runs running ran quickly picture photo image shows showing holding "
    "car automobile vehicle buy purchase bought purchased child children kid big large small little man men woman women happy glad "
    "begin start began started help assist assistance street road house home dwelling black white colour color umbrella rain raining"
).split()
INFLECTED = (
    "mice geese oxen indices analyses glasses classes buses boxes churches wishes leaves knives lives went better best worse further older "
    "oldest happier happiest taught thought written lying dying tying dyed studied studies studying flies flying beautifully generalizations "
    "relational conditional rationally electricity hopefulness formalize triplicate news innings sky skies proceed succeed howe"
).split()
ODD = [
    *"naïve café 重み 模型 🦙 🦙🦙 👩‍🍳 3.14 42 1,000 10,5 3:30 -5 +1 50% $3.88 #1 a&b e-mail well-known x_y ice_cream U.S. U.K. e.g. i.e. Mr. Dr. "
    "Ph.D. St. No. a.m. J. F. Kennedy don't it's I'll we've they're can't cannot gonna wanna gimme lemme 'tis 'twas o'clock rock'n'roll 's 'n "
    "students' **bold** `code` ``x'' # - [link](x) http://x.y/z (see below) {x} <tag> ... .. …. !!! ?! -- — – ― ; : , . ? ! \" ' '' “quoted” "
    "‘single’ «guillemets» „low“ Straße ſoon İstanbul ΣΊΣΥΦΟΣ Москва ﬁne ½ Ⅳ x² ñ ña ça 你好。 ok.Next end.) end.” end.' ( ) ``".split(" "),
    "New York", "York. ", ". . .", "a.  b", "\n", "\t", "\u00a0", "\u2003", "\ufeff", "\x1c", "\x85",
]  # fmt: skip
ABBREVIATIONS = "Mr. Dr. St. U.S. e.g. Corp. No. a.m. J. approx.".split()


def words(rng: random.Random, length: int) -> list[str]:
    pool = rng.choice([PLAIN[:8], PLAIN[:30], PLAIN, PLAIN + INFLECTED, PLAIN + ODD, PLAIN + INFLECTED + ODD])
    return [rng.choice(pool) for _ in range(length)]


def sentence(rng: random.Random) -> str:
    picked = words(rng, rng.randrange(1, 22))
    if rng.random() < 0.5:
        picked[0] = picked[0].capitalize()
    if rng.random() < 0.3:
        picked[rng.randrange(len(picked))] = rng.choice(ABBREVIATIONS)
    joined = ("" if rng.random() < 0.04 else " ").join(picked)
    return joined + rng.choice([".", ".", "", "!", "?", "...", ".)", '."', ".’", ". ", ",", ":"])


def text(rng: random.Random) -> str:
    kind = rng.randrange(14)
    if kind == 0:
        return rng.choice(["", " ", "\n", ".", "...", "!!!", "重み", "🦙", "a", "The", "The.", "\n\na.\n", "'", '"', "''", "``", "a'", "'a b'"])
    if kind == 1:
        return " ".join(words(rng, 400))
    if kind == 2:
        return " ".join([rng.choice(PLAIN)] * rng.randrange(1, 30))
    return rng.choice([" ", " ", "\n", "  ", "\n\n"]).join(sentence(rng) for _ in range(rng.randrange(1, 5)))


def shuffled(rng: random.Random, source: str) -> str:
    """The words of a text in another order, some left out, some in another form."""
    picked = [rng.choice([word, word, word + "s", word + "ing", word.upper()]) for word in source.split(" ") if rng.random() < 0.8]
    if rng.random() < 0.5:
        rng.shuffle(picked)
    return " ".join(picked)


def case(rng: random.Random) -> tuple[str, list[str]]:
    references = [text(rng) for _ in range(1 if rng.random() < 0.7 else rng.randrange(2, 5))]
    source = rng.choice(references)
    return rng.choice([source, shuffled(rng, source), shuffled(rng, source), text(rng)]), references


def training_text(rng: random.Random) -> str:
    """Sentences with abbreviations inside them, names after initials, numbers before periods."""
    names = "Kessler Morgan Abbott Lindqvist Tanaka Oyelaran".split()
    sentences = []
    for _ in range(4000):
        picked = [rng.choice(PLAIN + INFLECTED) for _ in range(rng.randrange(4, 14))]
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(picked))
            picked[at:at] = rng.choice(
                [
                    [rng.choice(["Mr.", "Dr.", "St."]), rng.choice(names)],
                    ["approx.", str(rng.randrange(100))],
                    ["the", "U.S.", rng.choice(["car", "Senate"])],
                    ["e.g.", "a"],
                    [rng.choice("ABJ") + ".", rng.choice(names)],
                    ["at", f"{rng.randrange(12)}", "a.m.", "on", "No.", f"{rng.randrange(90)}"],
                ]
            )
        starter = rng.choice(["However,", "The", "Meanwhile", "They", picked[0].capitalize()])
        sentences.append(" ".join([starter, *picked]) + rng.choice([".", ".", ".", "?", "!"]))
    return " ".join(sentences)


def learn_punkt() -> None:
    trainer = PunktTrainer()
    trainer.INCLUDE_ALL_COLLOCS = True
    trainer.train(training_text(random.Random(7)))
    params = trainer.get_params()
    PUNKT.mkdir(parents=True, exist_ok=True)
    (PUNKT / "abbrev_types.txt").write_text("\n".join(sorted(params.abbrev_types)))
    (PUNKT / "sent_starters.txt").write_text("\n".join(sorted(params.sent_starters)))
    (PUNKT / "collocations.tab").write_text("\n".join("\t".join(pair) for pair in sorted(params.collocations)))
    (PUNKT / "ortho_context.tab").write_text("\n".join(f"{t}\t{bits}" for t, bits in sorted(params.ortho_context.items()) if bits))


def punkt() -> PunktSentenceTokenizer:
    params = PunktParameters()
    lines = lambda name: (PUNKT / name).read_text().split("\n")
    params.abbrev_types = set(lines("abbrev_types.txt"))
    params.sent_starters = set(lines("sent_starters.txt"))
    params.collocations = {tuple(line.split("\t")) for line in lines("collocations.tab")}
    for line in lines("ortho_context.tab"):
        word, bits = line.rsplit("\t", 1)
        params.ortho_context[word] = int(bits)
    return PunktSentenceTokenizer(params)


def wordnet(folder: str) -> WordNetCorpusReader:
    """NLTK wants two files that Debian leaves out, and uses neither for METEOR: names of 45 lexicographer files, and an index of senses."""
    data = Path(tempfile.mkdtemp(prefix="nltk_data_"))
    root = data / "corpora/wordnet"
    root.mkdir(parents=True)
    for file in Path(folder).iterdir():
        if file.is_file():
            (root / file.name).write_bytes(file.read_bytes())
    (root / "lexnames").write_text("".join(f"{i:02}\tfile{i}\t1\n" for i in range(45)))
    (root / "index.sense").write_text("")
    nltk.data.path.append(str(data))
    warnings.simplefilter("ignore")
    return WordNetCorpusReader(nltk.data.find("corpora/wordnet"), None)


def words_to_look_up(reader: WordNetCorpusReader) -> list[str]:
    rng = random.Random(5)
    lemmas = sorted(reader.all_lemma_names())
    irregular = sorted({form for forms in reader._exception_map.values() for form in forms})
    endings = "s es ses ves xes zes ches shes men ies ed ing er est ly sses eses inges ered".split()
    found = [*rng.sample(lemmas, 1200), *rng.sample(irregular, 500), *PLAIN, *INFLECTED]
    for lemma in rng.sample(lemmas, 1600):
        cut = lemma[: len(lemma) - rng.randrange(3)]
        found.append(cut + rng.choice(endings))
    found += [rng.choice(irregular) + rng.choice(endings) for _ in range(200)]
    found += [word.upper() for word in rng.sample(lemmas, 60)] + ["", "s", "es", "ing", "men", "Ⅳ", "naïve", "K", "x_y", "ss", "'s", "."]
    return sorted(set(found))


def write(name: str, content: object) -> None:
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    (GOLDENS / name).write_bytes(gzip.compress(data.encode(), mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dict", default="/usr/share/wordnet")
    reader = wordnet(parser.parse_args().dict)
    if RELEASE == "3.10":
        learn_punkt()
    sentences, treebank = punkt(), NLTKWordTokenizer()
    rng = random.Random(19)
    cases = []
    for i in range(420):
        prediction, references = case(rng)
        split = {text: sentences.tokenize(text) for text in [prediction, *references]}
        tokens = {text: [token for part in split[text] for token in treebank.tokenize(part)] for text in split}
        alpha, beta, gamma = (0.9, 3.0, 0.5) if i % 5 else (rng.choice([0.5, 0.85, 1.0]), rng.choice([0.2, 1.0, 2.0]), rng.choice([0.3, 1.0]))
        weights = {"alpha": alpha, "beta": beta, "gamma": gamma, "wordnet": reader}
        cases.append(
            {
                "prediction": prediction,
                "references": references,
                "sentences": split[prediction],
                "tokens": tokens[prediction],
                "weights": {"alpha": alpha, "beta": beta, "gamma": gamma},
                "score": meteor_score([tokens[text] for text in references], tokens[prediction], **weights),
                "whitespace": meteor_score([text.split() for text in references], prediction.split(), **weights),
                "alignment": align_words(prediction.split(), references[0].split(), wordnet=reader)[0],
            }
        )
    write(f"meteor-nltk-{RELEASE}.json.gz", {"nltk": RELEASE, "cases": cases})
    if RELEASE == "3.9":
        return  # What 3.10 finds.
    synonyms = {}
    for word in words_to_look_up(reader):
        names = {name for synset in reader.synsets(word) for name in synset.lemma_names() if "_" not in name}
        synonyms[word] = " ".join(sorted(names | {word}))
    write(f"wordnet-{RELEASE}.json.gz", {"nltk": RELEASE, "synonyms": synonyms})


if __name__ == "__main__":
    main()
