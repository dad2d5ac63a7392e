// Steps of training fixtures/tiny-llava on pictures with eleven questions each, teacher included, beside PyTorch's of the same rows (VLMOPT_PYTHON
// names a Python with torch and transformers), in one run.
//   VLMOPT_PYTHON=python3 node benchmarks/recover-steps.mjs [--rows 8] [--steps 5] [--threads 2] [--executor ort]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openLesson, ortExecutor, tfjsExecutor } from "@vlmopt/engine";
import { train, trainingPlan } from "@vlmopt/recover";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { median, printTable } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "8" },
    steps: { type: "string", default: "5" },
    threads: { type: "string", default: `${availableParallelism()}` },
    executor: { type: "string", default: "ort" },
  },
});
const [rows, steps, threads] = [values.rows, values.steps, values.threads].map(Number);
const root = fileURLToPath(new URL("..", import.meta.url));
const model = join(root, "fixtures/tiny-llava");

const folder = mkdtempSync(join(tmpdir(), "vlmopt-recover-steps-"));
const pictures = Math.ceil((rows * 8) / 7);
execFileSync(process.execPath, [join(root, "tools/scenes.mjs"), folder, "--pictures", `${pictures}`]);
const items = JSON.parse(readFileSync(join(folder, "recovery.json"), "utf8")).map(
  ({ image, question, answer }) => ({
    prompt: question,
    images: [join(folder, "images", image)],
    answer,
  }),
);

const executor =
  values.executor === "tfjs" ? await tfjsExecutor() : ortExecutor({ activations: "float32", threads });
const teacher = await openCheckpoint(model);
const lesson = await openLesson(teacher, teacher, items, { executor, rowTokens: 384 });
const times = [];
let before = performance.now();
await train(
  lesson,
  await lesson.initial(),
  trainingPlan({ steps: steps + 1, batch: rows, testEvery: 1000 }, 384),
  {
    onStep({ step }) {
      // The first step compiles, and asks the teacher, whose answers are kept.
      if (step > 1) times.push(performance.now() - before);
      before = performance.now();
    },
  },
);
await lesson.release();
await teacher.close();
rmSync(folder, { recursive: true });

const theirs = `
import sys, time, torch, transformers
rows, steps, threads = map(int, sys.argv[2:5])
torch.set_num_threads(threads)
load = lambda: transformers.AutoModelForImageTextToText.from_pretrained(sys.argv[1], dtype=torch.float32)
language, head = (model := load()).model.language_model, model.lm_head
trained = [*language.layers.parameters(), language.norm.weight]
optimizer = torch.optim.AdamW(trained, lr=1e-4)
tokens = 384
embeds = torch.randn(rows, tokens, 384) * 0.1
mask = torch.ones(tokens, tokens, dtype=torch.bool).tril()[None, None].expand(rows, 1, tokens, tokens)
wanted = torch.randn(rows, tokens // 3, 576).softmax(-1)
times = []
for step in range(steps + 1):
    started = time.perf_counter()
    states = language(inputs_embeds=embeds, attention_mask=mask, use_cache=False).last_hidden_state
    loss = -(wanted * head(states[:, : tokens // 3]).log_softmax(-1)).sum(-1).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    if step > 0: times.append(1000 * (time.perf_counter() - started))
print(sorted(times)[len(times) // 2])`;

const ours = median(times);
const table = [
  [`a step of ${rows} rows of up to 384 tokens`, "median", "of ours"],
  [`@vlmopt/recover (${executor.name}, ${threads} threads)`, `${ours.toFixed(0)} ms`, "1"],
];
const python = process.env.VLMOPT_PYTHON;
if (python !== undefined) {
  const args = ["-c", theirs, model, `${rows}`, `${steps}`, `${threads}`];
  const peer = Number(execFileSync(python, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  table.push([`PyTorch, ${threads} threads`, `${peer.toFixed(0)} ms`, (peer / ours).toFixed(2)]);
}
printTable(table);
