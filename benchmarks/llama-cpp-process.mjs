// What llama.cpp needs for a prompt and for the tokens behind it, as JSON: a process of its own, started by generate.mjs.
//   node benchmarks/llama-cpp-process.mjs <folder that has node-llama-cpp installed> <file.gguf> <prompt length> <tokens>
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { median } from "./side-by-side.mjs";

const [folder, modelPath, promptLength, tokens] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const threads = cpus().length;
const llama = await getLlama({ gpu: false, maxThreads: threads, build: "never", logLevel: "error" });
const model = await llama.loadModel({ modelPath });
const contextSize = Number(promptLength) + Number(tokens) + 16;
const context = await model.createContext({ contextSize, threads, batchSize: 512 });
const sequence = context.getSequence();
const ids = Array.from({ length: Number(promptLength) }, (_, i) => (i * 7919) % 32_000);
const prefills = [];
let steps = [];
for (let round = 0; round < 3; round++) {
  await sequence.clearHistory();
  steps = [];
  let last = performance.now();
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    const now = performance.now();
    if (steps.length === 0) prefills.push(now - last);
    steps.push(now - last);
    last = now;
    if (steps.length > Number(tokens)) break;
  }
}
const resident = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ prefill: median(prefills), decode: median(steps.slice(1)), resident }));
process.exit(0);
