// BLEU and chrF of a corpus beside sacrebleu (VLMOPT_PYTHON).
//   node benchmarks/bleu.mjs [--pairs 5000] [--rounds 5]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bleu, chrf } from "@vlmopt/metrics";
import { printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: { pairs: { type: "string", default: "5000" }, rounds: { type: "string", default: "5" } },
});
const [count, rounds] = [Number(values.pairs), Number(values.rounds)];
let state = 1;
const below = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state >>> 8) % limit;
};
const vocabulary = Array.from({ length: 3000 }, () =>
  Array.from({ length: 3 + below(7) }, () => "aeiourstlndcmp"[below(14)]).join(""),
);
/** Some thirty words and marks, frequent ones often; no two texts alike, so that nobody's cache helps. */
const text = () =>
  Array.from(
    { length: 25 + below(12) },
    () => vocabulary[Math.floor(below(3000) ** 2 / 3000)] + ["", "", "", ",", "."][below(5)],
  ).join(" ");
const predictions = Array.from({ length: count }, text);
const references = predictions.map(() => [text()]);

const metrics = { BLEU: bleu(), chrF: chrf() };
const ours = await sideBySide(
  Object.fromEntries(
    Object.entries(metrics).map(([name, metric]) => [
      name,
      () => void metric.corpus(predictions, references),
    ]),
  ),
  { rounds },
);
const rows = [["seconds", "@vlmopt/metrics", "sacrebleu", "times faster"]];
const theirs = process.env.VLMOPT_PYTHON ? sacrebleu(process.env.VLMOPT_PYTHON) : {};
for (const name of Object.keys(metrics)) {
  const [own, other] = [ours[name].seconds, theirs[name]];
  rows.push([name, own.toFixed(3), other?.toFixed(3) ?? "–", other ? (other / own).toFixed(1) : "–"]);
}
printTable(rows);

function sacrebleu(python) {
  const folder = mkdtempSync(join(tmpdir(), "vlmopt-bleu-"));
  const file = join(folder, "pairs.json");
  writeFileSync(file, JSON.stringify({ predictions, references: references.map(([only]) => only) }));
  // A metric anew each round: sacrebleu keeps the tokens of texts that it has seen.
  const code = `
import json, sys, time
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers import tokenizer_13a, tokenizer_re
data = json.load(open(sys.argv[1]))
results = {}
for name, make in {"BLEU": BLEU, "chrF": CHRF}.items():
    times = []
    for _ in range(int(sys.argv[2]) + 1):
        tokenizer_13a.Tokenizer13a.__call__.cache_clear()
        tokenizer_re.TokenizerRegexp.__call__.cache_clear()
        started = time.perf_counter()
        make().corpus_score(data["predictions"], [data["references"]])
        times.append(time.perf_counter() - started)
    results[name] = sorted(times[1:])[int(sys.argv[2]) // 2]
print(json.dumps(results))`;
  const results = JSON.parse(execFileSync(python, ["-c", code, file, String(rounds)], { encoding: "utf8" }));
  rmSync(folder, { recursive: true, force: true });
  return results;
}
