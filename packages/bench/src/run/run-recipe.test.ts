import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { parseRecipe, type Recipe } from "../recipe/read-recipe.ts";
import type { BenchRecord } from "../records/bench-record.ts";
import { openJournal } from "../records/journal.ts";
import { readRun } from "../records/run-folder.ts";
import { remarks } from "../report/remarks.ts";
import { resultsMarkdown } from "../report/result-table.ts";
import { RequestFailure } from "../targets/request-failure.ts";
import type { Target } from "../targets/target.ts";
import { fakeTarget } from "../test-support/fake-target.ts";
import { clearMade, listMade } from "./made-cache.ts";
import type { RunOptions } from "./run-options.ts";
import { runRecipe } from "./run-recipe.ts";

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
    prune: { dense: {}, GLU 30: { glu: 0.3, byWeights: true } }
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

test("what was measured needs no checkpoint any more: one that has left the cache is not made again", async () => {
  const [folder, own] = [temporaryFolder(), temporaryFolder()];
  const { summary } = await measure(folder, { cache: own });
  expect(await listMade(own)).toHaveLength(3);
  await clearMade({ cache: own });
  const again = await measure(folder, { cache: own, openTarget: () => expect.unreachable() });
  expect(again.summary.variants).toEqual(summary.variants);
  expect(await listMade(own)).toEqual([]);
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

/** A target that cannot answer these questions. */
const unable = (...words: readonly string[]) => ({
  openTarget: () =>
    fakeTarget({
      answer({ question }) {
        if (words.some((word) => question.includes(word))) throw new RequestFailure(`no ${question}`);
      },
    }),
});

test("a question that cannot be answered is named and counted, and the others go on", async () => {
  const folder = temporaryFolder();
  const notices: string[] = [];
  const { summary, items } = await measure(folder, {
    openTarget: (variant) =>
      variant.name === "GLU 30" ? unable("cross", "shape").openTarget() : fakeTarget(),
    onNotice: (notice) => notices.push(notice),
  });
  const place = `${fixtures}/scenes/test.json: row 2 (question 2, picture scene_002.png)`;
  const question = "Which shape do you see in the centre?";
  expect(notices).toEqual([`GLU 30: ${place}: no ${question}`]);
  expect(summary.variants.map(({ status, unanswered }) => [status, unanswered?.length])).toEqual([
    ["complete", 0],
    ["complete", 0],
    ["complete", 1],
    ["complete", 0],
  ]);
  expect(summary.variants[2]?.unanswered).toEqual([{ place, problem: `no ${question}` }]);
  expect(summary.dataset).toMatchObject({ count: 4, scored: 3, leftOut: [] });
  expect(items.filter(({ variant }) => variant === "GLU 30").map(({ id }) => id)).toEqual(["0", "1", "3"]);
  // Scores are of the same three questions in all variants, so that equal answers keep all.
  expect(items.filter(({ scores }) => scores.meteor !== undefined)).toHaveLength(12);
  const meteor = summary.variants.map(({ quality }) => quality.find(({ figure }) => figure === "meteor"));
  expect(new Set(meteor.map((figure) => figure?.score)).size).toBe(1);
  expect(meteor[2]?.retention?.ofDense).toBe(1);
  expect(remarks(summary)).toEqual([
    `GLU 30 did not answer 1 of 4 questions; the first: ${place}: no ${question}.`,
    "Scores are of the 3 of 4 questions that every variant answered.",
  ]);
  expect(resultsMarkdown(summary)).toContain("Scores are of the 3 of 4 questions");
  // Nothing is left to measure.
  await measure(folder, { openTarget: () => fakeTarget({ answer: () => expect.unreachable() }) });
});

test("a variant fails where it leaves more unanswered than the recipe allows, and is tried again", async () => {
  const folder = temporaryFolder();
  const strict = parseRecipe(`${text}maxFailed: 0.25`, "test.yaml");
  const { summary } = await measure(folder, unable("diamond", "circle"), strict);
  expect(summary.variants.map(({ status }) => status)).toEqual(new Array(4).fill("failed"));
  expect(summary.variants[0]?.error).toMatch(
    /^2 of 4 questions could not be answered, more than the share of 0.25 that maxFailed allows; the first: .*test\.json: row 1 \(question 1, picture scene_001\.png\): no What colour/,
  );
  // The limit is no part of what was measured.
  const again = await measure(folder, unable("diamond", "circle"));
  expect(again.summary.variants.map(({ status }) => status)).toEqual(new Array(4).fill("complete"));
  expect(again.summary.dataset.scored).toBe(2);
  const none = await measure(temporaryFolder(), unable(" "));
  expect(none.summary.variants[0]?.error).toMatch(/^3 of 4 questions could not be answered/);
});

test("fewer tokens than were asked for are told", async () => {
  const openTarget = (): Target => {
    const target = fakeTarget();
    return {
      ...target,
      async answer(request) {
        const answer = await target.answer(request);
        return request.fixedLength ? { ...answer, newTokens: 1, tokens: [], finish: "end" } : answer;
      },
    };
  };
  const { summary } = await measure(temporaryFolder(), { openTarget });
  expect(remarks(summary)[0]).toBe(
    "dense made 1 new tokens where 8 were asked for: its latency and tokens per second are of that many.",
  );
});

test("a signal ends the request under way", async () => {
  const stop = new AbortController();
  const openTarget = (): Target => {
    let closed = () => {};
    const answer = () =>
      new Promise<never>((_, reject) => {
        closed = () => reject(new Error("the process was killed"));
        setTimeout(() => stop.abort(), 20);
      });
    return { ...fakeTarget(), answer, close: async () => closed() };
  };
  const running = measure(temporaryFolder(), { openTarget, signal: stop.signal });
  await expect(running).rejects.toMatchObject({ name: "AbortError" });
});

test("a run is refused that calibrates on the questions that it scores", async () => {
  const folder = temporaryFolder();
  const seen = parseRecipe(
    text
      .replace("byWeights: true", "refit: true")
      .replace("metrics:", `calibrate: { folder: ${fixtures}/scenes, split: test }\nmetrics:`),
    "seen.yaml",
  );
  await expect(measure(folder, {}, seen)).rejects.toThrow(
    /^\d+ of the 128 questions to calibrate on are among those that are scored, the first: .*test\.json: row \d+: /,
  );
  expect(recordsOf(folder)).toEqual([]);
});

test("what was measured is not measured again", async () => {
  const folder = temporaryFolder();
  const first = await measure(folder);
  const second = await measure(folder, {
    openTarget: () => fakeTarget({ answer: () => expect.unreachable() }),
  });
  expect(second.summary.variants).toEqual(first.summary.variants);
});

test("speed is measured in rounds over all variants, answers are given in the last", async () => {
  const asked: string[] = [];
  const openTarget = ({ name }: { name: string }) =>
    fakeTarget({ answer: ({ fixedLength }) => asked.push(`${name} ${fixedLength ? "speed" : "answer"}`) });
  const rounds = parseRecipe(text.replace("warmups: 1", "warmups: 0"), "test.yaml");
  const { summary } = await measure(temporaryFolder(), { openTarget }, rounds);
  const turns = asked.filter((turn, i) => turn !== asked[i - 1]);
  const names = rounds.variants.map(({ name }) => name);
  expect(turns).toEqual([
    ...names.map((name) => `${name} speed`),
    ...names.flatMap((name) => [`${name} speed`, `${name} answer`]),
  ]);
  expect(summary.variants.map(({ speed }) => speed?.ttft.samples)).toEqual([3, 3, 3, 3]);
});

test("a run that is stopped writes what there is, and goes on later", async () => {
  const folder = temporaryFolder();
  const once = parseRecipe(text.replace("warmups: 1", "warmups: 1, rounds: 1"), "test.yaml");
  const controller = new AbortController();
  let answers = 0;
  const stopping = {
    signal: controller.signal,
    openTarget: () => fakeTarget({ answer: () => ++answers === 10 && controller.abort() }),
  };
  await expect(measure(folder, stopping, once)).rejects.toMatchObject({ name: "AbortError" });
  const stopped = await readRun(folder);
  expect(stopped.summary.completed).toBe(false);
  expect(stopped.summary.variants.map(({ status }) => status)).toEqual([
    "complete",
    "incomplete",
    "incomplete",
    "incomplete",
  ]);
  expect((await measure(folder, {}, once)).summary.completed).toBe(true);
  const undisturbed = temporaryFolder();
  await measure(undisturbed, {}, once);
  const counted = (of: string) =>
    recordsOf(of).flatMap((record) =>
      record.kind === "load" || record.kind === "run" ? [] : ["at" in record ? { ...record, at: 0 } : record],
    );
  expect(counted(folder)).toEqual(counted(undisturbed));
});

test("another recipe's run is left alone", async () => {
  const folder = temporaryFolder();
  await measure(folder);
  const other = parseRecipe(text.replace("count: 4", "count: 3"), "test.yaml");
  await expect(measure(folder, {}, other)).rejects.toThrow(`${folder}: holds a run of another recipe`);
});

test("killed at any moment, a run loses nothing and counts nothing twice", async () => {
  const [folder, undisturbed] = [temporaryFolder(), temporaryFolder()];
  const path = join(temporaryFolder(), "recipe.yaml");
  writeFileSync(path, text);
  const script = resolve(import.meta.dirname, "../test-support/killed-run.mjs");
  const start = (to: string) => spawn(process.execPath, [script, path, to, cache], { stdio: "inherit" });
  const ended = (child: ReturnType<typeof start>) =>
    new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
  const linesOf = (of: string) => {
    try {
      return readFileSync(join(of, "results.jsonl"), "utf8").split("\n").slice(0, -1);
    } catch {
      return [];
    }
  };
  // In the middle of speed, of answers, and between variants.
  for (const lines of [2, 6, 9, 15, 24]) {
    const child = start(folder);
    const end = ended(child);
    while (linesOf(folder).length < lines && child.exitCode === null) await sleep(1);
    child.kill("SIGKILL");
    await end;
    expect(linesOf(folder).length).toBeGreaterThanOrEqual(lines);
  }
  expect(await ended(start(folder))).toBe(0);
  expect(await ended(start(undisturbed))).toBe(0);
  // A resumed variant is loaded again, and says so.
  const counted = (of: string) =>
    linesOf(of)
      .filter((line) => !/^{"kind":"(load|run)"/.test(line))
      .map((line) => line.replace(/"at":"[^"]+"/, ""));
  expect(counted(folder)).toEqual(counted(undisturbed));
  expect((await readRun(folder)).summary.completed).toBe(true);
}, 120_000);

test("of requests that ran at once, those that are missing are measured", async () => {
  const folder = temporaryFolder();
  await measure(folder);
  const path = join(folder, "results.jsonl");
  const lines = readFileSync(path, "utf8").split("\n");
  const missing = (line: string) => /"kind":"(end|answer)"/.test(line) || line.includes('"repetition":1,');
  writeFileSync(path, lines.filter((line) => !missing(line)).join("\n"));
  const { summary } = await measure(folder);
  expect(summary.variants.map(({ speed }) => speed?.ttft.samples)).toEqual([3, 3, 3, 3]);
});
