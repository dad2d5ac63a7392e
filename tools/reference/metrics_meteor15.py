"""METEOR 1.5 of varied text, its English normaliser and Snowball stems, by the Java tool.

    python3 tools/reference/metrics_meteor15.py

Needs pycocoevalcap (it has meteor-1.5.jar and the paraphrase table) and a JDK 17. Writes packages/metrics/goldens/meteor15.json.gz and
meteor15-stems.json.gz, and of the paraphrase table what the cases with paraphrases touch, shuffled among other entries, to
meteor15-paraphrases.gz.
"""

import gzip
import json
import random
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

GOLDENS = Path(__file__).parents[2] / "packages/metrics/goldens"
TOOL = Path(next(iter(find_spec("pycocoevalcap").submodule_search_locations))) / "meteor"
JAR = TOOL / "meteor-1.5.jar"
TABLE = TOOL / "data/paraphrase-en.gz"

WORDS = (
    "the a an of to in on under is are was cat cats dog dogs mat sat sitting sits runs running ran quickly picture photo image shows showing "
    "holding car automobile vehicle buy purchase bought purchased child children kid kids big large small little man men woman women happy "
    "glad begin start began started help assist assistance street road house home dwelling black white colour color umbrella rain raining "
    "mice geese indices analyses glasses classes buses boxes leaves better best worse further older taught thought abandon quench leave let "
    "pass entity breathe generalizations relational electricity hopefulness hopeful beautifully news sky skies proceed succeed early only"
).split()
PHRASES = (
    "a lot of|in front of|next to|at the same time|in order to|take part in|as well as|a number of|because of|in addition to|because|also|many|"
    "participate in|several|in addition|because of the|it is important to|as soon as possible|with regard to|concerning|the united states"
).split("|")
ODD = (
    "naïve café 重み 模型 🦙 👩‍🍳 3.14 42 1,000 10,5 3:30 -5 +1 50% $3.88 #1 a&b e-mail well-known x_y U.S. U.K. e.g. i.e. Mr. Dr. Ph.D. St. No. "
    "No.5 pp. a.m. J. F. don't it's I'll we've they're can't students' 'tis '80s 80's o'clock rock'n'roll 's **bold** `code` ``x'' # - "
    "[link](x) http://x.y/z (see {x} <tag> ... .. …. !!! ?! -- — – ― ; : , . ? ! \" ' '' “quoted” ‘single’ «guillemets» „low“ Straße İstanbul "
    "ΣΊΣΥΦΟΣ Москва ﬁne ½ Ⅳ x² ñ 你好。 ok.Next end.) end.” a,b a,,b 1,a a,1 1,2,3 x.y. v. vs. Art. Art.3 -lrb- -rrb- THE Of dont'"
).split(" ")  # fmt: skip


def sentence(rng: random.Random, length: int) -> str:
    pool = rng.choice([WORDS[:14], WORDS[:50], WORDS, WORDS + ODD, WORDS + PHRASES, PHRASES])
    picked = [rng.choice(pool) for _ in range(length)]
    if rng.random() < 0.4:
        picked[0] = picked[0].capitalize()
    return " ".join(picked) + rng.choice([".", ".", "", "!", "?", "...", ".)", '."', " . "])


def text(rng: random.Random) -> str:
    kind = rng.randrange(14)
    if kind == 0:
        return rng.choice(["", "", ".", "...", "!!!", "重み", "🦙", "a", "The", "The.", "'", '"', "''", "``", "a'", "'a b'", "-", "a-b", "1-2"])
    if kind == 1 and rng.random() < 0.3:
        return sentence(rng, 400)
    if kind == 2:
        return " ".join([rng.choice(WORDS)] * rng.randrange(1, 30))
    return rng.choice([" ", "  ", " \t", "\u00a0", "\u3000"]).join(sentence(rng, rng.randrange(1, 20)) for _ in range(rng.randrange(1, 3)))


def case(rng: random.Random) -> tuple[str, list[str]]:
    references = [text(rng) for _ in range(1 if rng.random() < 0.7 else rng.randrange(2, 5))]
    words = rng.choice(references).split(" ")
    kept = [rng.choice([word, word, word + "s", word + "ed", word.upper()]) for word in words if rng.random() < 0.85]
    if rng.random() < 0.5:
        rng.shuffle(kept)
    return rng.choice([" ".join(words), " ".join(kept), " ".join(kept), text(rng)]), references


def meteor(cases: list[tuple[str, list[str]]], *options: str) -> tuple[list[list[float]], list[float], float]:
    """Statistics of each case, scores of each, and the score of the corpus."""
    lines = [" ||| ".join(["SCORE", *references, prediction + " "]) for prediction, references in cases]
    command = ["java", "-Xmx3G", "-jar", str(JAR), "-", "-", "-stdio", "-l", "en", "-norm", *options]
    run = lambda text: subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode().splitlines()
    statistics = run("".join(line + "\n" for line in lines))
    scores = run(" ||| ".join(["EVAL", *statistics]) + "\n")
    return [[float(x) for x in line.split()] for line in statistics], [float(x) for x in scores[:-1]], float(scores[-1])


JAVA = """
import java.io.*;
import edu.cmu.meteor.util.Normalizer;
import org.tartarus.snowball.ext.englishStemmer;

public class Lines {
  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    PrintStream out = new PrintStream(System.out, false, "UTF-8");
    englishStemmer stemmer = new englishStemmer();
    for (String line; (line = in.readLine()) != null; ) {
      if (args[0].equals("norm")) out.println(Normalizer.normalizeLine(line, 0, true).toLowerCase());
      else {
        stemmer.setCurrent(line);
        stemmer.stem();
        out.println(stemmer.getCurrent());
      }
    }
    out.flush();
  }
}
"""


def java_lines(what: str, lines: list[str]) -> list[str]:
    """The tool's normaliser ("norm") or stemmer ("stem"), line by line."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Lines.java"
        source.write_text(JAVA)
        command = ["java", "-cp", str(JAR), str(source), what]
        out = subprocess.run(command, input="".join(f"{line}\n" for line in lines).encode(), capture_output=True, check=True)
        return out.stdout.decode().split("\n")[:-1]


def paraphrases_of(cases: list[tuple[str, list[str]]], path: Path) -> None:
    """Writes the entries whose phrase and paraphrase both stand in a case, and one in 40,000 of the others."""
    rng = random.Random(8)
    texts = [" " + " ".join(java_lines("norm", [prediction, *references])) + " " for prediction, references in cases]
    everything = " ".join(texts)
    vocabulary = set(everything.split())
    entries = []
    with gzip.open(TABLE, "rt", encoding="utf-8") as lines:
        for probability in lines:
            phrase, paraphrase = next(lines), next(lines)
            known = vocabulary.issuperset(phrase.split()) and vocabulary.issuperset(paraphrase.split())
            if (known and any(f" {phrase.strip()} " in t and f" {paraphrase.strip()} " in t for t in texts)) or rng.random() < 1 / 40_000:
                entries.append(probability + phrase + paraphrase)
    path.write_bytes(gzip.compress("".join(entries).encode(), mtime=0))


def stem_words() -> list[str]:
    rng = random.Random(4)
    suffixes = (
        "ational tional enci anci abli entli izer ization ation ator alism aliti alli fulness ousli ousness iveness iviti biliti bli ogi fulli "
        "lessli li alize icate iciti ical ful ness ative al ance ence er ic able ible ant ement ment ent ism ate iti ous ive ize ion e l ll eed "
        "eedly ed edly ing ingly y s es ied ies sses ss us ' 's 's' bb tt"
    ).split()
    letters = "aeiouybcdglnrstwxy'é🦙"
    made = ["".join(rng.choice(letters) for _ in range(rng.randrange(7))) for _ in range(3000)]
    made += [word + "".join(rng.choice(suffixes) for _ in range(rng.randrange(3))) for word in made]
    special = "skis skies dying lying tying idly gently ugly early only singly sky news howe atlas cosmos bias andes inning outing canning herring "
    special += "earring proceed exceed succeed generous generate communes arsenal"
    made += [word + rng.choice(["", "", *suffixes]) for word in (special.split() + WORDS) * 4]
    return sorted({word for word in made if word != ""})


def write(name: str, content: object) -> None:
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    (GOLDENS / name).write_bytes(gzip.compress(data.encode(), mtime=0))


def results(cases: list[tuple[str, list[str]]], *options: str) -> dict:
    statistics, scores, corpus = meteor(cases, *options)
    return {"statistics": [[int(x) for x in row] for row in statistics], "scores": scores, "corpus": corpus}


def main() -> None:
    rng = random.Random(15)
    cases = [case(rng) for _ in range(400)]
    with_paraphrases = [([" ".join(rng.choice(PHRASES) for _ in range(rng.randrange(1, 8))) for _ in range(2)]) for _ in range(120)]
    pairs = [(prediction, [reference]) for prediction, reference in with_paraphrases] + cases[:60]
    table = GOLDENS / "meteor15-paraphrases.gz"
    paraphrases_of(pairs, table)
    predictions = [prediction for prediction, _ in cases]
    write(
        "meteor15.json.gz",
        {
            "cases": [{"prediction": prediction, "references": references} for prediction, references in cases],
            "normalized": java_lines("norm", predictions),
            "plain": results(cases, "-m", "exact stem synonym"),
            "pairs": [{"prediction": prediction, "references": references} for prediction, references in pairs],
            "paraphrased": results(pairs, "-a", str(table)),
        },
    )
    words = stem_words()
    write("meteor15-stems.json.gz", {"words": words, "stems": java_lines("stem", words)})


if __name__ == "__main__":
    main()
