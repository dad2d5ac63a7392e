import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { mergeRuns } from "./merge-runs.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");
const script = resolve(import.meta.dirname, "../test-support/killed-run.mjs");
const SHARDS = 16;

const text = `
name: test
data: { folder: ${fixtures}/scenes, split: test, sample: { method: first, count: 96 } }
protocol: { newTokens: 8, warmups: 1, minRepetitions: 5, minSeconds: 0 }
metrics: [exact-match, meteor, rouge]
grids:
  - model: ${fixtures}/tiny-llava
    quantize: [none, int4-g64]
`;

/** Numbers from 0 to 1 that are the same each time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

test("16 shards killed at random and run again give the summary of one process, byte for byte", async () => {
  const root = mkdtempSync(join(tmpdir(), "vlmopt-killed-shards-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const recipe = join(root, "recipe.yaml");
  writeFileSync(recipe, text);
  const start = (folder: string, ...shard: string[]) =>
    spawn(process.execPath, [script, recipe, join(root, folder), join(root, "cache"), ...shard], {
      stdio: "inherit",
    });
  const whole = start("whole");
  expect(await once(whole, "exit")).toEqual([0, null]);
  const random = seeded(20261128);
  const folders: string[] = [];
  let killed = 0;
  for (let shard = 1; shard <= SHARDS; shard++) {
    const folder = `shard-${shard}`;
    folders.push(join(root, folder));
    for (const mayKill of [true, random() < 0.5, false]) {
      const child = start(folder, `${shard}/${SHARDS}`);
      const ended = once(child, "exit");
      // A process starts to measure after some 400 to 900 ms here.
      if (mayKill) await Promise.race([sleep(300 + 900 * random()), ended]);
      if (mayKill && child.exitCode === null) {
        child.kill("SIGKILL");
        killed++;
      }
      const [code] = await ended;
      if (!mayKill) expect(code).toBe(0);
    }
  }
  expect(killed).toBeGreaterThanOrEqual(8);
  const { missing } = await mergeRuns(join(root, "merged"), folders);
  expect(missing).toEqual([]);
  for (const name of ["summary.json", "items.jsonl"])
    expect(readFileSync(join(root, "merged", name), "utf8")).toBe(
      readFileSync(join(root, "whole", name), "utf8"),
    );
}, 600_000);
