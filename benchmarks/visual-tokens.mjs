// First token and cache with all 576 tokens of a picture and with fewer, in shapes of random weights; and what choosing itself takes.
//   node benchmarks/visual-tokens.mjs [--shape 1.1b|7b] [--executor ort|webgpu] [--threads 2] [--keep 128] [--method divprune] [--scheme int4-g128]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureShapes, randomCheckpoint } from "@vlmopt/bench";
import { loadModelWith, visualTokenPlan } from "@vlmopt/engine";
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

// Choosing: seeing with a choice less seeing without, each waited for.
const model = await loadModelWith(randomCheckpoint(config, scheme), { executor, threads: 1 });
const size = model.forward.imageEncoder.pass.inputs.pixels.shape.at(-1);
const pixels = {
  shape: [1, 3, size, size],
  data: Float32Array.from({ length: 3 * size * size }, (_, i) => Math.sin(i)),
};
const timed = async (plan) => {
  const started = performance.now();
  const { tensors } = await model.see({ pixels }, plan);
  for (const tensor of Object.values(tensors)) await tensor.read();
  const milliseconds = performance.now() - started;
  for (const tensor of Object.values(tensors)) tensor.release?.();
  return milliseconds;
};
const plan = visualTokenPlan("benchmark", { keep, method, merge: false });
const pairs = [];
for (let i = 0; i < repetitions + 1; i++) pairs.push([await timed(undefined), await timed(plan)]);
const [whole, chosen] = [0, 1].map((which) => median(pairs.slice(1).map((pair) => pair[which])));
console.log(
  `choosing ${keep} of 576 on one core: ${(chosen - whole).toFixed(1)} ms (seeing ${whole.toFixed(1)}, with it ${chosen.toFixed(1)})`,
);
await model.release();
