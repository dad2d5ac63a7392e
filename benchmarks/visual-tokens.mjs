// First token and cache with all 576 tokens of a picture and with fewer, in shapes of random weights; and what choosing itself takes.
//   node benchmarks/visual-tokens.mjs [--shape 1.1b|7b] [--executor ort|webgpu] [--threads 2] [--keep 128] [--method divprune] [--scheme int4-g128]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureShapes } from "@vlmopt/bench";
import { visualTokenMethods } from "@vlmopt/engine";
import { median, printTable } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "1.1b" },
    executor: { type: "string", default: "ort" },
    threads: { type: "string", default: "2" },
    keep: { type: "string", default: "128" },
    method: { type: "string", default: "divprune" },
    scheme: { type: "string", default: "int4-g128" },
    repetitions: { type: "string", default: "5" },
  },
});
const [threads, keep, repetitions] = [values.threads, values.keep, values.repetitions].map(Number);
const { executor, method, scheme } = values;
const big = JSON.parse(readFileSync(join(import.meta.dirname, "configs/llava-1.5-7b.json"), "utf8"));
const small = {
  ...{ hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: 22 },
  ...{ num_attention_heads: 32, num_key_value_heads: 4, head_dim: 64 },
};
const config = values.shape === "7b" ? big : { ...big, text_config: { ...big.text_config, ...small } };

const common = { schemes: [scheme], executor, threads, newTokens: 2, repetitions };
const rows = [["", "first token ms", "of it vision", "behind vision", "cache MB", "a token ms"]];
const found = [];
for (const visualTokens of [undefined, { keep, method, merge: false }, { keep, method }]) {
  const { schemes } = await measureShapes(config, { ...common, ...(visualTokens && { visualTokens }) });
  const [figures] = schemes;
  if (figures.error !== null) throw new Error(figures.error);
  const { speed, vision, cacheBytes, imageTokens } = figures;
  const [ttft, seeing] = [speed.ttft.median, vision.median];
  found.push({ ttft, behind: ttft - seeing });
  const merging = visualTokens?.merge === false ? ", dropped" : ", merged";
  rows.push([
    visualTokens === undefined ? `all ${imageTokens} tokens` : `${keep} by ${method}${merging}`,
    ttft.toFixed(1),
    seeing.toFixed(1),
    (ttft - seeing).toFixed(1),
    (cacheBytes / 1e6).toFixed(1),
    (speed.tpot?.median ?? Number.NaN).toFixed(2),
  ]);
}
const [all, ...fewer] = found;
for (const [n, { ttft, behind }] of fewer.entries()) {
  const times = [ttft / all.ttft, Number.NaN, behind / all.behind].map((ratio) =>
    Number.isNaN(ratio) ? "" : `${ratio.toFixed(2)} ×`,
  );
  rows.push([`${rows[n + 2][0]}, beside all`, ...times, "", ""]);
}
printTable(rows);

// Choosing itself, on made evidence: cosines of random features, and attention.
const count = 576;
const width = 64;
let state = 1;
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32 - 0.5;
};
const features = Array.from({ length: count }, () => {
  const row = Float32Array.from({ length: width }, random);
  const length = Math.hypot(...row);
  return row.map((value) => value / length);
});
const of = new Float32Array(count * count);
for (let i = 0; i < count; i++) {
  for (let j = 0; j < count; j++) {
    of[i * count + j] = features[i].reduce((sum, value, k) => sum + value * features[j][k], 0);
  }
}
const attention = Float64Array.from({ length: count }, () => random() + 0.5);
const tokens = Array.from({ length: count }, (_, i) => i);
const evidence = {
  ...{ count, grids: [{ tokens, width: 24 }], relevance: attention },
  ...{ cosines: () => ({ count, of }), attention: () => attention },
};
const choosing = visualTokenMethods
  .filter(({ place }) => place === "picture")
  .map(({ name, choose }) => {
    const times = Array.from({ length: 21 }, () => {
      const started = performance.now();
      choose(evidence, keep);
      return performance.now() - started;
    });
    return [name, median(times.slice(1)).toFixed(2)];
  });
printTable([[`choosing ${keep} of ${count}`, "ms, one core"], ...choosing]);
