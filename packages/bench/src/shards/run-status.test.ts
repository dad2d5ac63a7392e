import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { parseRecipe } from "../recipe/read-recipe.ts";
import { runShard } from "../run/run-recipe.ts";
import { RequestFailure } from "../targets/request-failure.ts";
import { fakeTarget } from "../test-support/fake-target.ts";
import { runStatus } from "./run-status.ts";
import { isInShard } from "./shard.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");
const recipe = parseRecipe(
  `
name: test
data: { folder: ${fixtures}/scenes, split: test, sample: { method: first, count: 12 } }
protocol: { newTokens: 4, warmups: 0, minRepetitions: 3, minSeconds: 0 }
metrics: [exact-match]
grids: [{ model: ${fixtures}/tiny-llava, visualTokens: [all, { keep: 2 }] }]
`,
  "test.yaml",
);
const sizes = [1, 2].map(
  (index) =>
    Array.from({ length: 12 }, (_, id) => `${id}`).filter((id) => isInShard(id, { index, count: 2 })).length,
) as [number, number];

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "vlmopt-status-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
});

test("status tells answers, time left and failures by kind of shards that run, stopped, failed and are done", async () => {
  const folder = (name: string) => join(root, name);
  const common = { cache: join(root, "cache") };
  await runShard(
    recipe,
    { index: 1, count: 2 },
    { ...common, folder: folder("a"), openTarget: () => fakeTarget() },
  );
  const whole = await runStatus([folder("a")]);
  expect(whole).toMatchObject({
    shards: [
      {
        shard: "1/2",
        state: "complete",
        answered: 2 * sizes[0],
        unanswered: 0,
        questions: 2 * sizes[0],
        secondsLeft: 0,
      },
    ],
    missing: ["2/2"],
    failures: [],
  });
  const controller = new AbortController();
  let asked = 0;
  const stopping = runShard(
    recipe,
    { index: 2, count: 2 },
    {
      ...common,
      folder: folder("b"),
      signal: controller.signal,
      openTarget: () =>
        fakeTarget({
          async answer() {
            const number = asked++;
            if (number === 1)
              throw new RequestFailure(
                `http://127.0.0.1:80${number}/v1: answered 503: overloaded, 4 times over`,
              );
            if (number === 3) {
              const [running] = (await runStatus([folder("b")])).shards;
              // A fake answer of three tokens takes 8 ms.
              const left = 2 * sizes[1] - 3;
              expect(running).toMatchObject({ state: "running", answered: 2, unanswered: 1 });
              expect(running?.secondsLeft).toBeCloseTo(left * 0.008, 10);
              expect(running?.holder).toMatch(/^process \d+ on /);
              controller.abort();
            }
          },
        }),
    },
  );
  await expect(stopping).rejects.toThrow();
  const { shards, failures, missing } = await runStatus([folder("a"), folder("b")]);
  expect(shards.map(({ shard, state }) => [shard, state])).toEqual([
    ["1/2", "complete"],
    ["2/2", "stopped"],
  ]);
  expect(missing).toEqual([]);
  expect(failures).toEqual([
    {
      kind: "…: answered 503: overloaded, # times over",
      count: 1,
      example: "http://127.0.0.1:801/v1: answered 503: overloaded, 4 times over",
    },
  ]);
  const broken = () => {
    throw new Error("/data/a.safetensors: 12 bytes are missing");
  };
  await runShard(recipe, { index: 2, count: 2 }, { ...common, folder: folder("c"), openTarget: broken });
  const failed = await runStatus([folder("c")]);
  expect(failed.shards[0]).toMatchObject({ state: "failed", answered: 0, secondsLeft: null });
  expect(failed.failures).toMatchObject([{ kind: "…: # bytes are missing", count: 2 }]);
  await expect(runStatus([root])).rejects.toThrow("results.jsonl: no such file");
});
