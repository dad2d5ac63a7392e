// A prompt with a picture, and the tokens behind it, of fixtures/tiny-llava in F32 on the processor: the executors, TensorFlow.js by each of
// its backends that works here.
//   node benchmarks/tfjs.mjs [--tokens 16]
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadVlm, ortExecutor, plainExecutor, tfjsBackends, tfjsExecutor } from "@vlmopt/engine";
import { median, printTable } from "./side-by-side.mjs";

const { values } = parseArgs({ options: { tokens: { type: "string", default: "16" } } });
const fixture = (path) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const request = {
  prompt: "Which shapes are in the picture?",
  images: [fixture("scenes/images/calibration_000.png")],
};
const makers = {
  ort: async () => ortExecutor({ activations: "float32" }),
  plain: async () => plainExecutor(),
  ...Object.fromEntries(
    tfjsBackends.map((backend) => [`tfjs on ${backend}`, () => tfjsExecutor({ backend })]),
  ),
};
const rows = [["executor", "first token ms", "ms a token"]];
for (const [name, make] of Object.entries(makers)) {
  const executor = await make().catch((error) => console.warn(`${name}: ${error.message}`));
  if (executor === undefined) continue;
  const vlm = await loadVlm(fixture("tiny-llava"), { executor });
  const options = { maxNewTokens: Number(values.tokens), minNewTokens: Number(values.tokens) };
  await vlm.generate(request, options);
  const { timings } = await vlm.generate(request, options);
  rows.push([name, timings.ttft.toFixed(0), median([...timings.tokens]).toFixed(1)]);
  await vlm.release();
}
printTable(rows);
