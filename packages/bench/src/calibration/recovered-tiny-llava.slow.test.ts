import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openLesson, ortExecutor } from "@vlmopt/engine";
import { train, trainingPlan } from "@vlmopt/recover";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { expect, test } from "vitest";

interface Row {
  readonly image: string;
  readonly question: string;
  readonly answer: string;
}

const fixtures = fileURLToPath(new URL("../../../../fixtures/", import.meta.url));
/** By tools/reference/recover_goldens.py. */
const golden: {
  readonly pictures: number;
  readonly tokens: number;
  readonly losses: readonly number[];
} = JSON.parse(await readFile(new URL("../../goldens/recovered-tiny-llava.json", import.meta.url), "utf8"));

test("tiny-llava with weakened attention learns its own answers as in PyTorch: 50 losses to 1 %", async () => {
  const rows: Row[] = JSON.parse(await readFile(join(fixtures, "scenes/calibration.json"), "utf8"));
  const pictures = [...new Set(rows.map(({ image }) => image))].slice(0, golden.pictures);
  const items = rows
    .filter(({ image }) => pictures.includes(image))
    .map(({ image, question, answer }) => ({
      prompt: question,
      images: [join(fixtures, "scenes/images", image)],
      answer,
    }));
  await using model = await openCheckpoint(join(fixtures, "tiny-llava"));
  const lesson = await openLesson(model, model, items, {
    executor: ortExecutor({ activations: "float32" }),
    rowTokens: 384,
  });
  // The eighth picture is held out.
  expect(lesson.tokens.reduce((sum, count) => sum + count, 0)).toBe(golden.tokens);
  const weakened = new Map(
    [...(await lesson.initial())].map(([name, numbers]) => [
      name,
      name.endsWith("o_proj.weight") ? numbers.map((x) => x / 2) : numbers,
    ]),
  );
  const losses: number[] = [];
  const batch = lesson.tokens.length;
  const rate = 1e-3 * Math.sqrt((golden.pictures - 1) / 32);
  const plan = trainingPlan({ steps: golden.losses.length, batch, rate, patience: 100, testEvery: 50 }, 384);
  await train(lesson, weakened, plan, {
    onStep: ({ loss }) => losses.push(loss),
  });
  for (const [step, wanted] of golden.losses.entries())
    expect(Math.abs((losses[step] as number) / wanted - 1), `step ${step + 1}`).toBeLessThan(0.01);
  await lesson.release();
}, 600_000);
