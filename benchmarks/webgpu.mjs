// LLaVA-1.5-7B's shapes with random weights on a graphics card: first token and decode, at 650 tokens of prompt with a picture.
//   node benchmarks/webgpu.mjs [--schemes int4,nf4,F16] [--tokens 128] [--layers 32] [--neurons 11008] [--rounds 3]
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { generateTokens, loadModel, webgpuExecutor } from "@vlmopt/engine";
import { llavaConfig } from "./llava-shapes.mjs";
import { randomCheckpoint } from "./random-checkpoint.mjs";
import { median, printTable } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    schemes: { type: "string", default: "int4,nf4,F16" },
    tokens: { type: "string", default: "128" },
    layers: { type: "string", default: "32" },
    neurons: { type: "string", default: "11008" },
    rounds: { type: "string", default: "3" },
  },
});
const [tokens, layers, neurons, rounds] = [values.tokens, values.layers, values.neurons, values.rounds].map(
  Number,
);
const rows = [["", "first token ms", "of it vision", "decode ms a token", "GPU MiB", "loading s"]];
for (const scheme of values.schemes.split(",")) {
  const config = llavaConfig(layers);
  config.text_config.intermediate_size = neurons;
  const started = performance.now();
  const before = usedMemory();
  const executor = await webgpuExecutor();
  const model = await loadModel(randomCheckpoint(config, scheme), executor);
  const loading = (performance.now() - started) / 1000;
  const size = config.vision_config.image_size;
  const pixels = {
    shape: [1, 3, size, size],
    data: Float32Array.from({ length: 3 * size * size }, (_, i) => Math.sin(i)),
  };
  const ids = Array.from({ length: 650 }, (_, i) => (i >= 5 && i < 581 ? config.image_token_index : 100 + i));
  const [firsts, visions, steps] = [[], [], []];
  let answer;
  for (let round = 0; round < rounds + 1; round++) {
    const begun = performance.now();
    const features = await model.see({ pixels });
    const seen = performance.now() - begun;
    let first = 0;
    const { answers, timings } = await generateTokens(model, [{ ids, images: [{ features }] }], {
      maxNewTokens: tokens,
      minNewTokens: tokens,
      endTokens: [2],
      samplers: undefined,
      signal: undefined,
      onToken() {
        first ||= performance.now() - begun;
        return false;
      },
    });
    const { tokens: drawn } = answers[0];
    if (answer !== undefined && drawn.join() !== answer)
      throw new Error(`${scheme}: round ${round} answers otherwise than the first`);
    answer = drawn.join();
    if (round === 0) continue;
    firsts.push(first);
    visions.push(seen);
    steps.push(timings.tokens.reduce((a, b) => a + b, 0) / timings.tokens.length);
  }
  const memory = usedMemory();
  rows.push([
    `${scheme}, ${neurons} neurons`,
    median(firsts).toFixed(1),
    median(visions).toFixed(1),
    median(steps).toFixed(2),
    memory === undefined ? "–" : String(memory - before),
    loading.toFixed(1),
  ]);
  console.log(rows.at(-1).join("  "), `(tokens ${answer.split(",").slice(0, 8).join(" ")})`);
  await model.release();
}
printTable(rows);
process.exit(0);

function usedMemory() {
  try {
    const text = execFileSync("nvidia-smi", ["--query-gpu=memory.used", "--format=csv,noheader,nounits"], {
      encoding: "utf8",
    });
    return Number(text.split("\n")[0]);
  } catch {
    return undefined;
  }
}
