// Scores ROUGE-1, 2, L and Lsum with the stemmer beside google's rouge_score (VLMOPT_PYTHON), and times 1000 bootstrap resamples.
//   node benchmarks/rouge.mjs [--pairs 2000] [--rounds 5]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bootstrapIntervals, rouge } from "@vlmopt/metrics";
import { printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: { pairs: { type: "string", default: "2000" }, rounds: { type: "string", default: "5" } },
});
const [count, rounds] = [Number(values.pairs), Number(values.rounds)];
let state = 1;
const below = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state >>> 8) % limit;
};
const vocabulary = Array.from(
  { length: 3000 },
  () =>
    Array.from({ length: 3 + below(7) }, () => "aeiourstlndcmp"[below(14)]).join("") +
    ["", "s", "ing", "ed", "ly"][below(5)],
);
/** Three lines of some twelve words, frequent ones often. */
const text = () =>
  Array.from({ length: 3 }, () =>
    Array.from({ length: 8 + below(9) }, () => vocabulary[Math.floor(below(3000) ** 2 / 3000)]).join(" "),
  ).join("\n");
const predictions = Array.from({ length: count }, text);
const references = predictions.map(() => [text()]);

const metric = rouge({ stemmer: true });
const { ours } = await sideBySide({ ours: () => void metric.corpus(predictions, references) }, { rounds });
const rows = [
  ["", "seconds", "pairs/s"],
  ["@vlmopt/metrics", ours.seconds.toFixed(3), (count / ours.seconds).toFixed(0)],
];
const python = process.env.VLMOPT_PYTHON;
if (python) {
  const folder = mkdtempSync(join(tmpdir(), "vlmopt-rouge-"));
  const file = join(folder, "pairs.json");
  writeFileSync(file, JSON.stringify({ predictions, references }));
  const code = `
import json, sys, time
from rouge_score import rouge_scorer
data = json.load(open(sys.argv[1]))
scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True)
times = []
for _ in range(int(sys.argv[2]) + 1):
    started = time.perf_counter()
    for prediction, references in zip(data["predictions"], data["references"]):
        scorer.score_multi(references, prediction)
    times.append(time.perf_counter() - started)
print(sorted(times[1:])[int(sys.argv[2]) // 2])`;
  const seconds = Number(execFileSync(python, ["-c", code, file, String(rounds)], { encoding: "utf8" }));
  rmSync(folder, { recursive: true, force: true });
  rows.push(["rouge_score", seconds.toFixed(3), (count / seconds).toFixed(0)]);
  rows.push(["times faster", (seconds / ours.seconds).toFixed(1), ""]);
} else console.log("rouge_score was not measured: set VLMOPT_PYTHON to a python3 that has it.");
printTable(rows);

const one = rouge({ types: ["rougeL"] });
const result = one.corpus(predictions, references);
const statistics = Array.from({ length: 10_000 }, (_, i) => result.statistics[i % count]);
const started = performance.now();
bootstrapIntervals(one, { ...result, statistics });
console.log(`10,000 items × 1000 resamples: ${((performance.now() - started) / 1000).toFixed(2)} s`);
