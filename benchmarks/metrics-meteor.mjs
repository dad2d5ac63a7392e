// Scores METEOR as NLTK and METEOR 1.5 beside the references, over the same pairs: NLTK (VLMOPT_PYTHON, with WordNet's dict folder from
// Debian's wordnet-base), both with what they learnt of words in a first round; and the Java tool (VLMOPT_METEOR_JAR), both from the start
// of a process.
//   node benchmarks/metrics-meteor.mjs [--pairs 2500] [--rounds 5] [--dict /usr/share/wordnet]
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { meteor } from "@vlmopt/metrics";
import { printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "2500" },
    rounds: { type: "string", default: "5" },
    dict: { type: "string", default: "/usr/share/wordnet" },
    // What a child process of this script scores, to be timed from its start.
    score15: { type: "string" },
  },
});
if (values.score15 !== undefined) {
  const { predictions, references } = JSON.parse(readFileSync(values.score15, "utf8"));
  console.log(meteor({ variant: "1.5" }).corpus(predictions, references).aggregate.meteor);
  process.exit();
}

const [count, rounds] = [Number(values.pairs), Number(values.rounds)];
const { predictions, references } = pairs(readFileSync(join(values.dict, "cntlist.rev"), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "vlmopt-meteor-"));
const file = join(folder, "pairs.json");
writeFileSync(file, JSON.stringify({ predictions, references }));
try {
  await besideNltk();
  await besideJava();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Sentences of some 20 words, frequent ones often, a third of them exchanged, left out or in another form in the prediction. */
function pairs(senseCounts) {
  let state = 1;
  const below = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % limit;
  };
  const counted = [...senseCounts.matchAll(/^([a-z]+)%\S+ \d+ (\d+)/gm)].map(([, word, n]) => [
    word,
    Number(n),
  ]);
  const frequent = counted.sort(([, a], [, b]) => b - a).map(([word]) => word);
  const words = [
    ..."the of and a to in is was it for on with as his at by".split(" "),
    ...new Set(frequent.slice(0, 6000)),
  ];
  const word = () => words[Math.floor((below(words.length) * below(words.length)) / words.length)];
  const ending = () => ["", "", "s", "ed", "ing"][below(5)];
  const originals = Array.from({ length: count }, () => Array.from({ length: 12 + below(17) }, word));
  return {
    references: originals.map((sentence) => [`${sentence.join(" ")}.`]),
    predictions: originals.map((sentence) =>
      sentence
        .flatMap((w) => [[w], [w], [w], [w + ending()], [word()], []][below(6)])
        .sort(() => below(9) - 7)
        .join(" ")
        .concat(" ."),
    ),
  };
}

async function besideNltk() {
  // Punkt parameters that both sides can read.
  const nltkData = join(import.meta.dirname, "../packages/metrics/goldens/nltk_data");
  const metrics = {
    whitespace: meteor({ tokenizer: "whitespace", nltk: "3.10" }),
    word_tokenize: meteor({ nltkData, nltk: "3.10" }),
  };
  const python = process.env.VLMOPT_PYTHON;
  if (!python) console.log("NLTK was not measured: set VLMOPT_PYTHON to a python3 that has 3.10.");
  const theirs = python && JSON.parse(nltk(python, nltkData));
  for (const [tokenizer, metric] of Object.entries(metrics)) {
    let mean;
    const score = () => {
      mean = metric.corpus(predictions, references).aggregate.meteor;
    };
    const { ours } = await sideBySide({ ours: score }, { rounds });
    const rows = [
      [`METEOR as NLTK, ${tokenizer}`, "seconds", "pairs/s", "mean score"],
      ["@vlmopt/metrics", ours.seconds.toFixed(3), (count / ours.seconds).toFixed(0), mean.toFixed(6)],
    ];
    if (theirs) {
      const { seconds, score } = theirs[tokenizer];
      rows.push(["NLTK", seconds.toFixed(3), (count / seconds).toFixed(0), score.toFixed(6)]);
      rows.push(["times faster", (seconds / ours.seconds).toFixed(1), "", ""]);
    }
    printTable(rows);
  }
}

function nltk(python, nltkData) {
  const code = `
import json, shutil, sys, time, warnings
from pathlib import Path
pairs, dict_folder, root, punkt, rounds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4], int(sys.argv[5])
shutil.copytree(punkt, root)
wordnet_folder = root / "corpora/wordnet"
wordnet_folder.mkdir(parents=True)
for path in Path(dict_folder).iterdir():
    if path.is_file():
        shutil.copy(path, wordnet_folder)
(wordnet_folder / "lexnames").write_text("".join(f"{i:02}\\tfile{i}\\t1\\n" for i in range(45)))
(wordnet_folder / "index.sense").write_text("")
import nltk
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.translate.meteor_score import meteor_score
nltk.data.path.insert(0, str(root))
warnings.simplefilter("ignore")
wordnet = WordNetCorpusReader(nltk.data.find("corpora/wordnet"), None)
data = json.load(open(pairs))
results = {}
for name, tokens in {"whitespace": str.split, "word_tokenize": nltk.word_tokenize}.items():
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        scores = [
            meteor_score([tokens(text) for text in references], tokens(prediction), wordnet=wordnet)
            for prediction, references in zip(data["predictions"], data["references"])
        ]
        times.append(time.perf_counter() - started)
    results[name] = {"seconds": sorted(times[1:])[rounds // 2], "score": sum(scores) / len(scores)}
print(json.dumps(results))`;
  const root = join(folder, "nltk_data");
  return execFileSync(python, ["-c", code, file, values.dict, root, nltkData, String(rounds)], {
    encoding: "utf8",
  });
}

async function besideJava() {
  const jar = process.env.VLMOPT_METEOR_JAR;
  const [test, reference] = [join(folder, "test"), join(folder, "reference")];
  writeFileSync(test, `${predictions.join("\n")}\n`);
  writeFileSync(reference, `${references.map(([text]) => text).join("\n")}\n`);
  const arguments_ = [test, reference, "-l", "en", "-norm", "-q", "-m", "exact stem synonym"];
  const finished = (command, args) => {
    const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${command} failed: ${stderr}`);
    return stdout.trim();
  };
  const scores = {};
  const contestants = {
    ours: () => {
      scores.ours = finished(process.execPath, [import.meta.filename, "--score15", file]);
    },
    ...(jar && {
      java: () => {
        scores.java = finished("java", ["-Xmx2G", "-jar", jar, ...arguments_])
          .split("\n")
          .at(-1);
      },
    }),
  };
  const { ours, java } = await sideBySide(contestants, { rounds });
  const rows = [
    ["METEOR 1.5", "seconds", "pairs/s"],
    ["@vlmopt/metrics", ours.seconds.toFixed(3), (count / ours.seconds).toFixed(0)],
  ];
  if (java) {
    rows.push(["Java tool", java.seconds.toFixed(3), (count / java.seconds).toFixed(0)]);
    rows.push(["times faster", (java.seconds / ours.seconds).toFixed(1), ""]);
    rows.push(["corpus score, both", Number(scores.ours).toFixed(6), Number(scores.java).toFixed(6)]);
  } else
    console.log(
      "The Java tool was not measured: set VLMOPT_METEOR_JAR to meteor-1.5.jar (pycocoevalcap has it).",
    );
  printTable(rows);
}
