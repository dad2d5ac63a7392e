// Prompt and answer of a Llama of 1.1 billion weights, random ones, on the processor: our engine in int4, beside transformers in bf16
// (VLMOPT_PYTHON) and llama.cpp in Q4_0 (a folder where `npm install node-llama-cpp` was run).
//   node benchmarks/generate.mjs [--scheme int4-g128] [--prompt 650] [--tokens 32] [--exact] [--llama <folder>]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadModel, ortExecutor } from "@vlmopt/engine";
import { describeModel } from "@vlmopt/models";
import { planQuantization, quantizeCheckpoint, quantizeToGguf, schemeNamed } from "@vlmopt/quant";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { makeShapes } from "./llava-shapes.mjs";
import { median, printTable } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    scheme: { type: "string", default: "int4-g128" },
    prompt: { type: "string", default: "650" },
    tokens: { type: "string", default: "32" },
    exact: { type: "boolean", default: false },
    llama: { type: "string" },
  },
});
const [promptLength, tokens] = [values.prompt, values.tokens].map(Number);
const config = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 22,
  num_attention_heads: 32,
  num_key_value_heads: 4,
  vocab_size: 32_000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
};
const folder = mkdtempSync(join("/dev/shm", "vlmopt-generate-"));
const [dense, small] = [join(folder, "dense"), join(folder, "small")];
const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024;
try {
  await makeShapes(dense, config);
  const source = await openCheckpoint(dense);
  const description = describeModel(config, source.tensors);
  const roles = ["qProj", "kProj", "vProj", "oProj", "gateProj", "upProj", "downProj", "lmHead"];
  const plan = planQuantization(description, source.tensors, {
    scheme: schemeNamed(values.scheme, "fast"),
    roles,
  });
  await quantizeCheckpoint(source, plan, small);
  const ours = await run(small);
  const rows = [
    ["", "prefill ms", "decode ms a token", "resident MB"],
    [
      `@vlmopt/engine ${values.scheme}`,
      ours.prefill.toFixed(0),
      ours.decode.toFixed(1),
      ours.resident.toFixed(0),
    ],
  ];
  const peers = {
    ...(process.env.VLMOPT_PYTHON ? { "transformers bf16": () => transformers(dense) } : {}),
    ...(values.llama ? { "llama.cpp Q4_0": () => llamaCpp(dense, values.llama) } : {}),
  };
  for (const [name, measure] of Object.entries(peers)) {
    const theirs = await measure();
    rows.push([name, theirs.prefill.toFixed(0), theirs.decode.toFixed(1), theirs.resident.toFixed(0)]);
    rows.push([
      "  times faster",
      ...["prefill", "decode"].map((of) => (theirs[of] / ours[of]).toFixed(2)),
      "",
    ]);
  }
  printTable(rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Medians of three prompts, and of the tokens behind the last. */
async function run(path) {
  const checkpoint = await openCheckpoint(path);
  const executor = ortExecutor({ activations: values.exact ? "float32" : "int8" });
  const model = await loadModel(checkpoint, executor);
  const ids = Array.from({ length: promptLength }, (_, i) => (i * 7919) % config.vocab_size);
  const { axes, next } = model.forward.promptPositions(ids, []);
  const cache = model.createCache(1, promptLength + tokens);
  const timed = async (sequence, wanted) => {
    const started = performance.now();
    await model.decode({ cache, sequences: [sequence], wanted: [wanted] });
    return performance.now() - started;
  };
  const prefills = [];
  for (let round = 0; round < 3; round++) {
    cache.lengths[0] = 0;
    prefills.push(await timed({ ids, positions: axes, past: 0 }, promptLength - 1));
  }
  const steps = [];
  for (let i = 0; i < tokens; i++) {
    steps.push(await timed({ ids: [5], positions: [Int32Array.of(next + i)], past: promptLength + i }, 0));
  }
  const resident = memory();
  await model.release();
  return { prefill: median(prefills), decode: median(steps), resident };
}

async function llamaCpp(path, installed) {
  // It takes token ids, and yet no file without a vocabulary.
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  const words = Array.from({ length: config.vocab_size - 259 }, (_, i) => `▁w${i}`);
  const vocab = Object.fromEntries(
    ["<unk>", "<s>", "</s>", ...bytes, ...words].map((text, id) => [text, id]),
  );
  const added = ["<unk>", "<s>", "</s>"].map((content, id) => ({ id, content, special: true }));
  const model = { type: "BPE", byte_fallback: true, unk_token: "<unk>", vocab, merges: [] };
  writeFileSync(join(path, "tokenizer.json"), JSON.stringify({ model, added_tokens: added }));
  const out = join(folder, "gguf");
  await quantizeToGguf(await openCheckpoint(path), out, { type: "q4_0" });
  const file = readdirSync(out).find((name) => name.endsWith(".gguf"));
  const script = join(import.meta.dirname, "llama-cpp-process.mjs");
  const args = [script, installed, join(out, file), String(promptLength), String(tokens)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }).trim().split("\n").at(-1));
}

function transformers(path) {
  const code = `
import json, resource, sys, time, torch, transformers
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16).eval()
ids = torch.tensor([[(i * 7919) % 32000 for i in range(int(sys.argv[2]))]])
prefills, steps = [], []
with torch.inference_mode():
    for _ in range(3):
        started = time.perf_counter()
        out = model(ids, use_cache=True, logits_to_keep=1)
        prefills.append(time.perf_counter() - started)
    for _ in range(int(sys.argv[3])):
        started = time.perf_counter()
        out = model(torch.tensor([[5]]), past_key_values=out.past_key_values, use_cache=True)
        steps.append(time.perf_counter() - started)
middle = lambda values: 1000 * sorted(values)[len(values) // 2]
print(json.dumps({"prefill": middle(prefills), "decode": middle(steps), "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))`;
  const args = ["-c", code, path, String(promptLength), String(tokens)];
  const output = execFileSync(process.env.VLMOPT_PYTHON, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(output.trim().split("\n").at(-1));
}
