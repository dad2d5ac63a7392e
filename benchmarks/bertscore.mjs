// Times BERTScore without its encoder, beside bert_score's matching and a BERT-base that encodes the same tokens (VLMOPT_PYTHON).
//   node benchmarks/bertscore.mjs [--pairs 10000] [--tokens 128] [--width 768]
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { bertScore } from "@vlmopt/metrics";
import { printTable } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "10000" },
    tokens: { type: "string", default: "128" },
    width: { type: "string", default: "768" },
  },
});
const [count, tokens, width] = [values.pairs, values.tokens, values.width].map(Number);

// Texts take turns with a few embeddings; 20,000 of them would be 8 GB.
const pool = Array.from({ length: 64 }, () => ({
  ids: Int32Array.from({ length: tokens }, () => Math.random() * 30_000),
  special: Uint8Array.from({ length: tokens }, (_, i) => (i === 0 || i === tokens - 1 ? 1 : 0)),
  embeddings: Float32Array.from({ length: tokens * width }, () => Math.random() - 0.5),
}));
let turn = 0;
const encoder = {
  name: "none",
  layer: 0,
  encode: async (texts) => texts.map(() => pool[turn++ % pool.length]),
};
const predictions = Array.from({ length: count }, (_, i) => `prediction ${i}`);
const references = Array.from({ length: count }, (_, i) => [`reference ${i}`]);
const metric = bertScore({ encoder, idf: true });
await metric.corpus(predictions.slice(0, 50), references.slice(0, 50));
const started = performance.now();
await metric.corpus(predictions, references);
const ours = (performance.now() - started) / 1000;

const perPair = (seconds) => (seconds * 1000).toFixed(2);
const rows = [
  [`${tokens} tokens × ${width}`, "ms a pair"],
  [`@vlmopt/metrics, ${count} pairs`, perPair(ours / count)],
];
const python = process.env.VLMOPT_PYTHON;
if (python) {
  const code = `
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import torch
from bert_score.utils import greedy_cos_idf
from transformers import BertConfig, BertModel
tokens, width = int(sys.argv[1]), int(sys.argv[2])
def timed(work, rounds):
    work()
    started = time.perf_counter()
    for _ in range(rounds):
        work()
    return (time.perf_counter() - started) / rounds
batch = 64
a, b = torch.randn(batch, tokens, width), torch.randn(batch, tokens, width)
mask, idf = torch.ones(batch, tokens, dtype=torch.long), torch.rand(batch, tokens)
match = timed(lambda: greedy_cos_idf(a, mask, idf, b, mask, idf), 5) / batch
model = BertModel(BertConfig(hidden_size=width, num_attention_heads=width // 64, intermediate_size=4 * width)).eval()
ids = torch.randint(0, 30000, (16, tokens))
with torch.inference_mode():
    encode = timed(lambda: model(ids), 2) / 16
print(json.dumps([match, 2 * encode]))`;
  const [match, encode] = JSON.parse(
    execFileSync(python, ["-c", code, String(tokens), String(width)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  );
  rows.push(["bert_score's matching", perPair(match)]);
  rows.push(["encoding both texts, BERT of 12 layers in torch", perPair(encode)]);
  rows.push(["ours in % of the encoder", ((100 * ours) / count / encode).toFixed(2)]);
} else console.log("bert_score was not measured: set VLMOPT_PYTHON to a python3 that has it.");
printTable(rows);
