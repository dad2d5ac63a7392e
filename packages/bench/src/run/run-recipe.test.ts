import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { parseRecipe, type Recipe } from "../recipe/read-recipe.ts";
import { type BenchRecord, openJournal } from "../records/journal.ts";
import { readRun } from "../records/run-folder.ts";
import { fakeTarget } from "../test-support/fake-target.ts";
import { type RunOptions, runRecipe } from "./run-recipe.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");
const cache = mkdtempSync(join(tmpdir(), "vlmopt-made-"));
afterAll(() => rmSync(cache, { recursive: true }));

const text = `
name: test
data: { folder: ${fixtures}/scenes, split: test, sample: { method: first, count: 4 } }
protocol: { newTokens: 8, warmups: 1, minRepetitions: 3, minSeconds: 0 }
metrics: [exact-match, meteor]
grids:
  - model: ${fixtures}/tiny-llava
    prune: { dense: {}, GLU 30: { glu: 0.3, divisor: 64 } }
    quantize: [none, int4-g64]
`;
const recipe = parseRecipe(text, "test.yaml");

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "vlmopt-run-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const measure = (folder: string, options: Partial<RunOptions> = {}, of: Recipe = recipe) =>
  runRecipe(of, { folder, cache, openTarget: () => fakeTarget(), ...options });

const recordsOf = (folder: string): readonly BenchRecord[] =>
  openJournal(join(folder, "results.jsonl")).records;

test("variants are made, measured and held against the dense model", async () => {
  const folder = temporaryFolder();
  const { summary, items } = await measure(folder);
  expect(summary).toMatchObject({ name: "test", completed: true, dataset: { name: "scenes", count: 4 } });
  expect(
    summary.variants.map(({ name, base, precision, status }) => [name, base, precision, status]),
  ).toEqual([
    ["dense", null, "f16", "complete"],
    ["dense int4-g64", "dense", "int4-g64", "complete"],
    ["GLU 30", "dense", "f16", "complete"],
    ["GLU 30 int4-g64", "dense", "int4-g64", "complete"],
  ]);
  const [dense, int4, pruned, both] = summary.variants.map(({ size }) => size?.bytes ?? 0);
  expect(int4).toBeLessThan(dense ?? 0);
  expect(pruned).toBeLessThan(dense ?? 0);
  expect(both).toBeLessThan(Math.min(int4 ?? 0, pruned ?? 0));
  expect(summary.variants[1]?.speed).toMatchObject({
    ttft: { median: 4, samples: 3 },
    tpot: { median: 2, low: 2, high: 2 },
    latency: { median: 18 },
  });
  expect(items).toHaveLength(16);
  // The fake says the same, whatever was cut: all of the dense model's score is kept.
  const meteor = summary.variants[2]?.quality.find(({ figure }) => figure === "meteor");
  expect(meteor?.retention?.ofDense).toBe(1);
  expect(await readRun(folder)).toMatchObject({ summary: JSON.parse(JSON.stringify(summary)) });
});

test("a variant that fails does not stop the others, and is tried again by the next run", async () => {
  const folder = temporaryFolder();
  const asked: string[] = [];
  const broken = {
    openTarget: ({ name }: { name: string }) => {
      asked.push(name);
      if (name === "GLU 30") throw new Error("out of memory");
      return fakeTarget();
    },
  };
  const { summary } = await measure(folder, broken);
  expect(summary.variants.map(({ status, error }) => [status, error])).toEqual([
    ["complete", null],
    ["complete", null],
    ["failed", "out of memory"],
    ["complete", null],
  ]);
  asked.length = 0;
  const again = await measure(folder);
  expect(again.summary.variants.every(({ status }) => status === "complete")).toBe(true);
});

test("what was measured is not measured again", async () => {
  const folder = temporaryFolder();
  const first = await measure(folder);
  const second = await measure(folder, {
    openTarget: () => fakeTarget({ answer: () => expect.unreachable() }),
  });
  expect(second.summary.variants).toEqual(first.summary.variants);
});

test("a run that is stopped writes what there is, and goes on later", async () => {
  const folder = temporaryFolder();
  const controller = new AbortController();
  let answers = 0;
  const stopping = {
    signal: controller.signal,
    openTarget: () => fakeTarget({ answer: () => ++answers === 10 && controller.abort() }),
  };
  await expect(measure(folder, stopping)).rejects.toMatchObject({ name: "AbortError" });
  const stopped = await readRun(folder);
  expect(stopped.summary.completed).toBe(false);
  expect(stopped.summary.variants.map(({ status }) => status)).toEqual([
    "complete",
    "incomplete",
    "incomplete",
    "incomplete",
  ]);
  expect((await measure(folder)).summary.completed).toBe(true);
  const undisturbed = temporaryFolder();
  await measure(undisturbed);
  const counted = (of: string) => recordsOf(of).filter(({ kind }) => kind !== "load");
  expect(counted(folder)).toEqual(counted(undisturbed));
});

test("another recipe's run is left alone", async () => {
  const folder = temporaryFolder();
  await measure(folder);
  const other = parseRecipe(text.replace("count: 4", "count: 3"), "test.yaml");
  await expect(measure(folder, {}, other)).rejects.toThrow(`${folder}: holds a run of another recipe`);
});

test("killed at any moment, a run loses nothing and counts nothing twice", async () => {
  const folder = temporaryFolder();
  const path = join(temporaryFolder(), "recipe.yaml");
  writeFileSync(path, text);
  const script = resolve(import.meta.dirname, "../test-support/killed-run.mjs");
  const start = () => spawn(process.execPath, [script, path, folder, cache], { stdio: "inherit" });
  const ended = (child: ReturnType<typeof start>) =>
    new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
  for (const delay of [250, 300, 330, 370, 420]) {
    const child = start();
    const end = ended(child);
    await sleep(delay);
    child.kill("SIGKILL");
    await end;
  }
  expect(await ended(start())).toBe(0);
  const lines = readFileSync(join(folder, "results.jsonl"), "utf8").trimEnd().split("\n");
  const records = lines.map((line) => JSON.parse(line) as BenchRecord);
  const keys = records.flatMap((record) => {
    if (record.kind === "speed") return [`${record.hash} speed ${record.repetition}`];
    return record.kind === "answer" ? [`${record.hash} answer ${record.item}`] : [];
  });
  // Four variants, each with three requests of fixed length and four questions.
  expect(keys).toHaveLength(4 * (3 + 4));
  expect(new Set(keys).size).toBe(keys.length);
  expect(records.filter(({ kind }) => kind === "end")).toHaveLength(4);
  expect((await readRun(folder)).summary.completed).toBe(true);
});
