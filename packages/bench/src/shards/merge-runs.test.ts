import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { parseRecipe } from "../recipe/read-recipe.ts";
import { writeReport } from "../report/write-report.ts";
import { runRecipe, runShard } from "../run/run-recipe.ts";
import { RequestFailure } from "../targets/request-failure.ts";
import { fakeTarget } from "../test-support/fake-target.ts";
import { mergeRuns } from "./merge-runs.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");
const recipeFor = (count: number) =>
  parseRecipe(
    `
name: test
data: { folder: ${fixtures}/scenes, split: test, sample: { method: first, count: ${count} } }
protocol: { newTokens: 4, warmups: 0, minRepetitions: 3, minSeconds: 0 }
metrics: [exact-match, meteor]
grids: [{ model: ${fixtures}/tiny-llava, visualTokens: [all, { keep: 2 }] }]
`,
    "test.yaml",
  );
const recipe = recipeFor(12);

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "vlmopt-shards-"));
  vi.useFakeTimers({ toFake: ["Date"], now: 0 });
  onTestFinished(() => {
    vi.useRealTimers();
    rmSync(root, { recursive: true });
  });
});

/** Cannot answer what is asked about diamonds. */
const options = (folder: string) => ({
  folder: join(root, folder),
  cache: join(root, "cache"),
  openTarget: () =>
    fakeTarget({
      answer({ question }) {
        if (question.includes("diamond")) throw new RequestFailure("no diamonds");
      },
    }),
});

async function shards(count: number, of = recipe, prefix = "shard"): Promise<string[]> {
  const folders: string[] = [];
  for (let index = 1; index <= count; index++) {
    await runShard(of, { index, count }, options(`${prefix}-${index}`));
    folders.push(join(root, `${prefix}-${index}`));
  }
  return folders;
}

const filesOf = (folder: string) =>
  ["summary.json", "items.jsonl"].map((name) => readFileSync(join(root, folder, name), "utf8"));

test("merged shards give the bytes that one process gives, in any order and as often as one likes", async () => {
  const { summary } = await runRecipe(recipe, options("whole"));
  expect(summary).toMatchObject({ completed: true, dataset: { count: 12 } });
  expect(summary.variants[0]?.unanswered).not.toEqual([]);
  // More shards than questions fill: some are empty.
  const folders = await shards(16);
  expect(existsSync(join(root, "shard-2/summary.json"))).toBe(false);
  const out = join(root, "merged");
  expect((await mergeRuns(out, folders)).missing).toEqual([]);
  expect(filesOf("merged")).toEqual(filesOf("whole"));
  expect(readdirSync(join(out, "images")).sort()).toEqual(readdirSync(join(root, "whole/images")).sort());
  const records = readFileSync(join(out, "results.jsonl"), "utf8");
  await mergeRuns(out, [...folders].reverse());
  expect(readFileSync(join(out, "results.jsonl"), "utf8")).toBe(records);
  expect(filesOf("merged")).toEqual(filesOf("whole"));
  // A merged run is whole: nothing is left to measure, and its report is made of its records alone.
  await runRecipe(recipe, { ...options("merged"), openTarget: () => expect.unreachable() });
  expect(filesOf("merged")).toEqual(filesOf("whole"));
  rmSync(join(out, "summary.json"));
  rmSync(join(out, "items.jsonl"));
  await writeReport(out);
  expect(filesOf("merged")).toEqual(filesOf("whole"));
});

test("shards may come later, and a run is not complete before", async () => {
  const [first = "", second = "", third = ""] = await shards(3);
  const out = join(root, "merged");
  const { run, missing } = await mergeRuns(out, [third, first]);
  expect(missing).toEqual(["2/3"]);
  expect(run.summary.completed).toBe(false);
  expect(run.summary.variants.map(({ status }) => status)).toEqual(["incomplete", "incomplete"]);
  expect((await mergeRuns(out, [second])).run.summary.completed).toBe(true);
  await runRecipe(recipe, options("whole"));
  expect(filesOf("merged")).toEqual(filesOf("whole"));
});

test("too many questions without an answer fail the variant, as they do in one process", async () => {
  const strict = { ...recipe, maxFailed: 0.01 };
  const { run } = await mergeRuns(join(root, "merged"), await shards(4, strict));
  const { summary } = await runRecipe(strict, options("whole"));
  for (const { variants } of [run.summary, summary]) {
    expect(variants.map(({ status }) => status)).toEqual(["failed", "failed"]);
    expect(variants[0]?.error).toMatch(
      /^\d of 12 questions could not be answered, more than the share of 0.01 that maxFailed allows/,
    );
  }
});

test("what does not belong together is refused", async () => {
  const [first = "", second = ""] = await shards(2);
  const out = join(root, "merged");
  const refused = (folders: readonly string[]) => expect(mergeRuns(out, folders)).rejects;
  const [other = ""] = await shards(2, { ...recipe, name: "another" }, "other");
  await refused([first, other]).toThrow(
    `${first} and ${other} do not belong together: they are of different recipes, "test" and "another"`,
  );
  const [threes = ""] = await shards(3, recipe, "three");
  await refused([second, threes]).toThrow(
    `${second} and ${threes} do not belong together: they are of 2 and 3 shards`,
  );
  const changed = (folder: string, change: (text: string) => string) => {
    const copy = join(root, `changed-${Math.random()}`);
    cpSync(folder, copy, { recursive: true });
    const path = join(copy, "results.jsonl");
    writeFileSync(path, change(readFileSync(path, "utf8")));
    return copy;
  };
  const newer = changed(second, (text) => text.replace(/"vlmopt":"[^"]+"/, '"vlmopt":"9.9.9"'));
  await refused([first, newer]).toThrow(/do not belong together: they are of versions .* and 9\.9\.9/);
  const { hash } = JSON.parse(readFileSync(join(second, "results.jsonl"), "utf8").split("\n")[0] ?? "");
  const data = changed(second, (text) =>
    text.replaceAll(hash, "0".repeat(64)).replaceAll(/sha256:\w+/g, "sha256:0"),
  );
  await refused([first, data]).toThrow(
    /do not belong together: they are of different data, set:scenes.* and set:scenes/,
  );
  const variant = JSON.parse(
    readFileSync(join(second, "results.jsonl"), "utf8")
      .split("\n")
      .find((line) => line.includes('"kind":"variant"')) ?? "",
  );
  const model = changed(second, (text) => text.replaceAll(variant.hash, "1".repeat(64)));
  await refused([first, model]).toThrow(/do not belong together: dense is made of different models/);
  const again = changed(second, (text) => text.replace('"prediction":"', '"prediction":"not '));
  await refused([second, again]).toThrow(`${second} and ${again} both hold shard 2/2, measured apart`);
  await refused([join(root, "nowhere")]).toThrow("nowhere/results.jsonl: no such file");
  expect(existsSync(join(out, "results.jsonl"))).toBe(false);
  await runRecipe(recipeFor(3), options("merged"));
  await refused([first, second]).toThrow(`${out}: holds a run of another recipe`);
});
