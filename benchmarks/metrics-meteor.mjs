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
    references: originals.map((sentence) => [sentence.join(" ")]),
    predictions: originals.map((sentence) =>
      sentence
        .flatMap((w) => [[w], [w], [w], [w + ending()], [word()], []][below(6)])
        .sort(() => below(9) - 7)
        .join(" "),
    ),
  };
}

async function besideNltk() {
  const metric = meteor({ tokenizer: "whitespace" });
  const { ours } = await sideBySide({ ours: () => void metric.corpus(predictions, references) }, { rounds });
  const rows = [
    ["METEOR as NLTK", "seconds", "pairs/s"],
    ["@vlmopt/metrics", ours.seconds.toFixed(3), (count / ours.seconds).toFixed(0)],
  ];
  const python = process.env.VLMOPT_PYTHON;
  if (python) {
    const data = join(folder, "nltk_data/corpora/wordnet");
    const code = `
import json, os, shutil, sys, time, warnings
from pathlib import Path
pairs, dict_folder, root, rounds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
root.mkdir(parents=True)
for path in Path(dict_folder).iterdir():
    if path.is_file():
        shutil.copy(path, root)
(root / "lexnames").write_text("".join(f"{i:02}\\tfile{i}\\t1\\n" for i in range(45)))
(root / "index.sense").write_text("")
import nltk
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.translate.meteor_score import meteor_score
nltk.data.path.append(str(root.parent.parent))
warnings.simplefilter("ignore")
wordnet = WordNetCorpusReader(nltk.data.find("corpora/wordnet"), None)
data = json.load(open(pairs))
times = []
for _ in range(rounds + 1):
    started = time.perf_counter()
    scores = [
        meteor_score([text.split() for text in references], prediction.split(), wordnet=wordnet)
        for prediction, references in zip(data["predictions"], data["references"])
    ]
    times.append(time.perf_counter() - started)
print(sorted(times[1:])[rounds // 2], sum(scores) / len(scores), nltk.__version__)`;
    const out = execFileSync(python, ["-c", code, file, values.dict, data, String(rounds)], {
      encoding: "utf8",
    });
    const [seconds, mean, version] = [
      Number(out.split(" ")[0]),
      Number(out.split(" ")[1]),
      out.trim().split(" ")[2],
    ];
    rows.push([`NLTK ${version}`, seconds.toFixed(3), (count / seconds).toFixed(0)]);
    rows.push(["times faster", (seconds / ours.seconds).toFixed(1), ""]);
    const release = version.startsWith("3.8") ? "3.8" : "3.10";
    const mine = meteor({ tokenizer: "whitespace", nltk: release }).corpus(predictions, references).aggregate
      .meteor;
    rows.push(["mean score, both", mine.toFixed(6), mean.toFixed(6)]);
  } else console.log("NLTK was not measured: set VLMOPT_PYTHON to a python3 that has it.");
  printTable(rows);
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
