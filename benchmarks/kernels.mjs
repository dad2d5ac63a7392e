// Kernels of the WebGPU executor alone, over LLaVA-1.5-7B's shapes: bytes or operations a second, beside what the card copies.
//   node benchmarks/kernels.mjs [--schemes int4-g128,int3-g128,int2-g128,nf4,f16] [--tokens 1,650] [--seen 700]
import { parseArgs } from "node:util";
import { randomCheckpoint } from "@vlmopt/bench";
import { modelWeights, webgpuExecutor } from "@vlmopt/engine";
import { llavaConfig } from "./llava-shapes.mjs";
import { median, printTable } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    schemes: { type: "string", default: "int4-g128,int3-g128,int2-g128,nf4,f16" },
    tokens: { type: "string", default: "1,650" },
    seen: { type: "string", default: "700" },
  },
});
/**
 * Kernels of a kind that run one after the other, each with the weights of a layer of its own: none is found where the last one left it,
 * and those that a model multiplies together lie together.
 */
const LAYERS = 16;
/** Milliseconds that the card is kept busy before a figure. */
const BUSY = 300;
const [HEADS, HEAD_DIM, HIDDEN, NEURONS] = [32, 128, 4096, 11008];
const executor = await webgpuExecutor({ timed: true });
if (executor.passTimes === undefined) throw new Error("this graphics card tells no times (timestamp-query)");
const seen = Number(values.seen);
const rows = [["LLaVA-1.5-7B, one layer", "µs", "GB/s", "TFLOP/s"]];

rows.push(["a kernel that only copies", "", ((await copyRate()) / 1e9).toFixed(0), ""]);
for (const scheme of values.schemes.split(",")) {
  const checkpoint = randomCheckpoint(llavaConfig(LAYERS), scheme);
  const weights = await modelWeights(checkpoint);
  const bytesOf = (names) =>
    [...checkpoint.tensors.values()]
      .filter(({ name }) =>
        names.some(
          (wanted) => name === wanted || name.startsWith(`${wanted}_`) || name.startsWith(`${wanted}.`),
        ),
      )
      .reduce((sum, { byteLength }) => sum + byteLength, 0);
  const named = (part, layer = 0) =>
    [...weights.specs.keys()].find(
      (name) => name.includes("language_model") && name.includes(`layers.${layer}.`) && name.includes(part),
    );
  for (const tokens of values.tokens.split(",").map(Number)) {
    const products = {
      "q, k, v": { parts: ["q_proj", "k_proj", "v_proj"], from: HIDDEN, to: 3 * HIDDEN },
      o: { parts: ["o_proj"], from: HIDDEN, to: HIDDEN },
      "gate, up": { parts: ["gate_proj", "up_proj"], from: HIDDEN, to: 2 * NEURONS },
      down: { parts: ["down_proj"], from: NEURONS, to: HIDDEN },
    };
    for (const [name, { parts, from, to }] of Object.entries(products)) {
      const seconds = await secondsOf(weights, from, tokens, (ops, x, layer) => {
        const [first, second] = parts.map((part) => ops.linear(x, named(part, layer)));
        return parts.length === 2 ? ops.gated(first, second, "silu") : first;
      });
      report(
        `${scheme}, ${name}`,
        tokens,
        seconds,
        bytesOf(parts.map((part) => named(part))),
        2 * tokens * from * to,
      );
    }
  }
}
for (const tokens of values.tokens.split(",").map(Number)) {
  const weights = await modelWeights(randomCheckpoint(llavaConfig(LAYERS), "f16"));
  const past = tokens === 1 ? seen : 0;
  const shape = { heads: HEADS, kvHeads: HEADS, headDim: HEAD_DIM };
  const cache = executor.createCache(
    { layers: Array.from({ length: LAYERS }, () => ({ kvHeads: HEADS, headDim: HEAD_DIM })) },
    1,
    past + tokens,
  );
  const seconds = await secondsOf(
    weights,
    3 * HIDDEN,
    tokens,
    (ops, x, layer) => ops.cachedAttention(...ops.split(x, 3), { ...shape, layer }),
    () => {
      cache.lengths.fill(past);
      return { cache, added: [tokens] };
    },
  );
  const pairs = tokens === 1 ? seen : (tokens * (tokens + 1)) / 2;
  report("attention", tokens, seconds, 4 * (past + tokens) * HIDDEN, 4 * pairs * HIDDEN);
}
printTable(rows);
process.exit(0);

function report(name, tokens, seconds, bytes, operations) {
  rows.push([
    `${name}, ${tokens} token${tokens === 1 ? "" : "s"}`,
    (seconds * 1e6).toFixed(1),
    (bytes / seconds / 1e9).toFixed(0),
    (operations / seconds / 1e12).toFixed(1),
  ]);
  console.log(rows.at(-1).join("  "));
}

/** Seconds of one of many that run one after the other, by the card's clock, what brings them their input taken off. */
async function secondsOf(weights, features, tokens, one, step = () => undefined) {
  const x = {
    shape: [1, tokens, features],
    data: Float32Array.from({ length: tokens * features }, (_, i) => Math.sin(i)),
  };
  const first = { shape: [1], data: Int32Array.of(0) };
  const milliseconds = [];
  for (const run of [one, (_, own) => own]) {
    const prepared = await executor.prepare(
      {
        inputs: { x: { dtype: "F32", shape: [1, undefined, features] }, first: { dtype: "I32", shape: [1] } },
        run(ops, inputs) {
          // Each has an input of its own, in the numbers that it wants.
          const done = Array.from({ length: LAYERS }, (_, layer) =>
            run(ops, ops.activate(inputs.x, "relu"), layer),
          );
          return { last: ops.takeRows(done.at(-1), inputs.first) };
        },
      },
      weights,
    );
    milliseconds.push(await busyMedian(() => prepared.run({ x, first }, step())));
  }
  return (milliseconds[0] - milliseconds[1]) / 1000 / LAYERS;
}

/** The median of runs after others that have kept the card busy for a while: it takes that long to come to its full clock. */
async function busyMedian(run) {
  for (const started = performance.now(); performance.now() - started < BUSY; ) await runAll(run, 4);
  return median(await runAll(run, 16));
}

/** Milliseconds of each of so many runs that are given at once. */
async function runAll(run, count) {
  for (let i = 0; i < count; i++) {
    const { last } = await run();
    if (i === count - 1) await last.read();
    last.release?.();
  }
  return executor.passTimes();
}

/** Bytes that a kernel reads and writes in a second if it does nothing else. */
async function copyRate() {
  const [tokens, features] = [2 ** 14, 2 ** 11];
  const weights = await modelWeights(randomCheckpoint(llavaConfig(1), "f16"));
  const seconds = await secondsOf(weights, features, tokens, (ops, x) => ops.activate(x, "relu"));
  return (8 * tokens * features) / seconds;
}
