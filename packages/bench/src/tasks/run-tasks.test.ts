import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { compareRuns, differingItems } from "../compare/compare-runs.ts";
import { recipeOf } from "../recipe/read-recipe.ts";
import { writeReport } from "../report/write-report.ts";
import { runRecipe } from "../run/run-recipe.ts";
import type { Target, TargetRequest } from "../targets/target.ts";
import { fakeTarget } from "../test-support/fake-target.ts";

const goldens = resolve(import.meta.dirname, "../../goldens/tasks");
const model = resolve(import.meta.dirname, "../../../../fixtures/tiny-llava");

const recipeFor = (prompt: string) =>
  recipeOf(
    {
      name: "tasks",
      tasks: ["gqa", "mme"]
        .map((task) => ({ task, data: join(goldens, task) }))
        .concat({ task: "textvqa", data: join(goldens, "textvqa"), ...{ prompt } }),
      protocol: { newTokens: 4, warmups: 0, minRepetitions: 1, minSeconds: 0 },
      grids: [{ model, quantize: ["none", "nf4"] }],
    },
    process.cwd(),
    "test",
  );

/** Says yes to all, and red; the second model says no. */
function saying(answer: (request: TargetRequest) => string): Target {
  const target = fakeTarget();
  return {
    ...target,
    answer: async (request) => ({ ...(await target.answer(request)), text: answer(request) }),
  };
}

it("several tasks make one report, with a frontier each and a mean over them", async () => {
  const root = await mkdtemp(join(tmpdir(), "vlmopt-tasks-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const tokens = new Map<string, number>();
  const run = (name: string, prompt: string) =>
    runRecipe(recipeFor(prompt), {
      folder: join(root, name),
      cache: join(root, "cache"),
      openTarget: ({ quantize }) =>
        saying(({ question, maxNewTokens, fixedLength }) => {
          if (!fixedLength) tokens.set(question, maxNewTokens);
          if (question.startsWith("Which colour")) return quantize === undefined ? "Red" : "blue";
          return quantize === undefined ? "yes" : "no";
        }),
    });
  const { summary, items } = await run("a", "lmms-eval");
  const [dense, nf4] = summary.variants;
  const scores = Object.fromEntries((dense?.quality ?? []).map(({ figure, score }) => [figure, score]));
  // Two of ten answers are red; right for the first question of each picture of MME, of which two are cognition's and four pictures perception's.
  expect(scores).toMatchObject({
    "gqa/exact-match-lmms": 0.2,
    "mme/mme-perception": 200,
    "mme/mme-cognition": 50,
  });
  const textvqa = scores["textvqa/vqa-accuracy"] ?? Number.NaN;
  expect(scores.mean).toBeCloseTo((0.2 + 200 / 2000 + textvqa) / 3, 12);
  expect(dense?.quality[0]).toMatchObject({ metric: "mean", figure: "mean" });
  expect(dense?.quality[0]?.low).toBeLessThan(scores.mean as number);
  expect(nf4?.quality[0]?.retention?.ofDense).toBeGreaterThan(0);
  expect(nf4?.quality[0]?.versus?.p).toBeGreaterThan(0);
  expect(
    summary.tasks?.map(({ name, prompt, figure, dataset }) => [name, prompt, figure, dataset.scored]),
  ).toEqual([
    ["gqa", "lmms-eval", "gqa/exact-match-lmms", 10],
    ["mme", "lmms-eval", "mme/mme-perception", 10],
    ["textvqa", "lmms-eval", "textvqa/vqa-accuracy", 10],
  ]);
  // Prompts, readings and the tasks' own lengths.
  expect([...tokens.values()]).toEqual(Array(30).fill(16));
  expect(items.find(({ id }) => id === "mme/0")).toMatchObject({
    prompt: "<image>Is sentence 0 right?\nAnswer the question using a single word or phrase.",
    reading: "yes",
    scores: { "mme/mme-points": 50 },
  });
  await writeReport(join(root, "a"));
  const figures = await readdir(join(root, "a/figures"));
  for (const task of ["gqa", "mme", "textvqa"])
    expect(figures).toContain(`frontier-task-${task}-by-latency.svg`);

  const first = { folder: "a", summary, items };
  const again = await run("b", "llava-1.5");
  // Pictures of MME count once: their two questions share one score.
  const compared = compareRuns(first, again);
  expect(compared.find(({ figure }) => figure === "mme/mme-points")).toMatchObject({
    items: 5,
    difference: 0,
  });
  expect(compared.find(({ figure }) => figure === "gqa/exact-match-lmms")).toMatchObject({ items: 10, p: 1 });
  const differing = differingItems(first, again).filter(({ variant }) => variant === "dense");
  expect(differing).toHaveLength(10);
  expect(differing[0]).toMatchObject({
    what: "prompt",
    id: "textvqa/34602",
    first: "<image>What brand is shown on sign 0?\nAnswer the question using a single word or phrase.",
    second:
      "<image>what Brand is shown on sign 0?\nReference OCR token: STOP, No.0\nAnswer the question using a single word or phrase.",
  });
});
