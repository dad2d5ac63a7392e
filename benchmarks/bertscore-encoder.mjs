// BERTScore of pairs of texts with an encoder run by @vlmopt/engine, beside bert_score on the same encoder (VLMOPT_PYTHON).
//   node benchmarks/bertscore-encoder.mjs <folder of a BERT with its tokenizer> [--layer 5] [--pairs 300] [--rounds 3]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadEncoder } from "@vlmopt/engine";
import { bertScore } from "@vlmopt/metrics";
import { printTable, sideBySide } from "./side-by-side.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    layer: { type: "string", default: "5" },
    pairs: { type: "string", default: "300" },
    rounds: { type: "string", default: "3" },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("name the folder of an encoder");
const [layer, count, rounds] = [values.layer, values.pairs, values.rounds].map(Number);
let state = 1;
const below = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state >>> 8) % limit;
};
const words =
  "the a cat dog park mat sat ran singing two birds picture shows street people red small under quickly".split(
    " ",
  );
const text = () => Array.from({ length: 10 + below(80) }, () => words[below(words.length)]).join(" ");
const predictions = Array.from({ length: count }, text);
const references = predictions.map(() => [text()]);

const encoder = await loadEncoder(folder, { layer });
const metric = bertScore({ encoder });
let ours = 0;
const { engine } = await sideBySide(
  {
    async engine() {
      ours = (await metric.corpus(predictions, references)).aggregate.bertscore;
    },
  },
  { rounds },
);
const rows = [
  ["", "seconds", "F1"],
  ["@vlmopt/engine", engine.seconds.toFixed(2), ours.toFixed(6)],
];
const python = process.env.VLMOPT_PYTHON;
if (python) {
  const scratch = mkdtempSync(join(tmpdir(), "vlmopt-bertscore-"));
  const file = join(scratch, "pairs.json");
  writeFileSync(file, JSON.stringify({ predictions, references }));
  const code = `
import json, sys, time
from bert_score import BERTScorer
from transformers import BertTokenizer
# bert_score calls it on no tokens at all, and transformers 5 has dropped it.
BertTokenizer.build_inputs_with_special_tokens = lambda self, ids: [self.cls_token_id, *ids, self.sep_token_id]
data = json.load(open(sys.argv[1]))
scorer = BERTScorer(model_type=sys.argv[2], num_layers=int(sys.argv[3]))
times = []
for _ in range(int(sys.argv[4]) + 1):
    started = time.perf_counter()
    f1 = scorer.score(data["predictions"], data["references"])[2]
    times.append(time.perf_counter() - started)
print(json.dumps([sorted(times[1:])[int(sys.argv[4]) // 2], f1.mean().item()]))`;
  const args = ["-c", code, file, resolve(folder), String(layer), String(rounds)];
  const output = execFileSync(python, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  rmSync(scratch, { recursive: true, force: true });
  const [seconds, f1] = JSON.parse(output.trim().split("\n").at(-1));
  rows.push(["bert_score", seconds.toFixed(2), f1.toFixed(6)]);
  rows.push(["times faster", (seconds / engine.seconds).toFixed(2), ""]);
}
printTable(rows);
await encoder.release();
