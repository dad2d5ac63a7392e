// Prunes a checkpoint of LLaVA-1.5-7B's shapes (GLU 30 %, heads 25 %), beside `cp -r` of it, on tmpfs; with VLMOPT_PYTHON also in Python.
//   node benchmarks/prune-checkpoint.mjs [--layers 8] [--rounds 5] [--python-rounds 1]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeLlavaShapes } from "./llava-shapes.mjs";
import { median, printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "8" },
    rounds: { type: "string", default: "5" },
    "python-rounds": { type: "string", default: "1" },
  },
});
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(process.platform === "linux" ? "/dev/shm" : tmpdir(), "vlmopt-prune-"));
const [input, output] = ["in", "out"].map((name) => join(folder, name));

const ours = `
  import { readFileSync } from "node:fs";
  import { describeModel } from "@vlmopt/models";
  import { applyPruning, planByRecipe } from "@vlmopt/pruning";
  import { openCheckpoint } from "@vlmopt/tensor-io";
  const [input, output, recipe] = process.argv.slice(1);
  const checkpoint = await openCheckpoint(input);
  const { tensors } = checkpoint;
  const config = JSON.parse(readFileSync(input + "/config.json", "utf8"));
  const description = describeModel(config, tensors);
  const model = { tensors, layers: description.languageModel.layers, description, config };
  const plan = await planByRecipe(checkpoint, model, JSON.parse(recipe), { workers: 2 });
  await applyPruning(checkpoint, plan, output, { workers: 2 });
  await checkpoint.close();
  console.log(process.resourceUsage().maxRSS * 1024);`;

// The same pruning of neurons as one writes it in Python: load with transformers, slice, save_pretrained.
const theirs = `
import resource, sys, time, torch
from transformers import LlavaForConditionalGeneration
started = time.perf_counter()
model = LlavaForConditionalGeneration.from_pretrained(sys.argv[1], dtype=torch.bfloat16)
config = model.config.text_config
with torch.no_grad():
    for layer in model.model.language_model.layers:
        mlp = layer.mlp
        g, u = mlp.gate_proj.weight, mlp.up_proj.weight
        score = g.max(1).values + g.min(1).values.abs() + u.max(1).values + u.min(1).values.abs()
        keep = (config.intermediate_size - int(0.3 * config.intermediate_size)) // 128 * 128
        kept = score.topk(keep).indices.sort().values
        mlp.gate_proj.weight = torch.nn.Parameter(g[kept])
        mlp.up_proj.weight = torch.nn.Parameter(u[kept])
        mlp.down_proj.weight = torch.nn.Parameter(mlp.down_proj.weight[:, kept])
config.intermediate_size = keep
model.save_pretrained(sys.argv[2])
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)`;

function run(recipe, memory) {
  rmSync(output, { recursive: true, force: true });
  const started = performance.now();
  const args = ["--input-type=module", "-e", ours, input, output, JSON.stringify(recipe)];
  const rss = execFileSync(process.execPath, args, { cwd: import.meta.dirname, encoding: "utf8" });
  memory.push(Number(rss));
  return (performance.now() - started) / 1000;
}

try {
  const bytes = await makeLlavaShapes(input, { layers: Number(values.layers), shardSize: 5e9 });
  const [both, neurons, python] = [[], [], []];
  const contestants = {
    "cp -r": () => {
      rmSync(output, { recursive: true, force: true });
      const started = performance.now();
      execFileSync("cp", ["-r", input, output]);
      return (performance.now() - started) / 1000;
    },
    "@vlmopt/pruning, GLU 30 + heads 25": () =>
      run({ neurons: { ratio: 0.3 }, heads: { ratio: 0.25 } }, both),
    "@vlmopt/pruning, GLU 30": () => run({ neurons: { ratio: 0.3 } }, neurons),
  };
  const result = await sideBySide(contestants, { rounds });
  const memory = { "@vlmopt/pruning, GLU 30 + heads 25": both, "@vlmopt/pruning, GLU 30": neurons };
  const rows = Object.entries(result).map(([name, { seconds, ratio }]) => [
    name,
    seconds.toFixed(2),
    (1 / ratio).toFixed(2),
    memory[name] ? (median(memory[name]) / 1e6).toFixed(0) : "",
  ]);
  if (process.env.VLMOPT_PYTHON) {
    const times = [];
    for (let i = 0; i < Number(values["python-rounds"]); i++) {
      rmSync(output, { recursive: true, force: true });
      const text = execFileSync(process.env.VLMOPT_PYTHON, ["-c", theirs, input, output], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      const [seconds, rss] = text.trim().split("\n").at(-1).split(" ").map(Number);
      times.push(seconds);
      python.push(rss);
    }
    const seconds = median(times);
    const ratio = seconds / result["cp -r"].seconds;
    rows.push([
      "Python, GLU 30, without imports",
      seconds.toFixed(2),
      ratio.toFixed(2),
      (median(python) / 1e6).toFixed(0),
    ]);
  }
  console.log(
    `${(bytes / 1e9).toFixed(2)} GB of bf16, ${values.layers} layers (whole process, median of ${rounds})`,
  );
  printTable([["", "seconds", "time / cp", "peak RSS MB"], ...rows]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
