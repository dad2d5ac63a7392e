import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it, onTestFinished } from "vitest";

const root = resolve(import.meta.dirname, "../../..");
const main = join(root, "apps/cli/dist/main.js");

it("tasks of a Slurm array measure shards, which merge to what one process finds", () => {
  const folder = mkdtempSync(join(tmpdir(), "vlmopt-machines-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const recipe = join(folder, "recipe.yaml");
  writeFileSync(
    recipe,
    `
name: test
data: { folder: ${root}/fixtures/scenes, split: test, sample: { method: first, count: 8 } }
protocol: { newTokens: 4, warmups: 0, minRepetitions: 1, minSeconds: 0 }
metrics: [exact-match]
grids: [{ model: ${root}/fixtures/tiny-llava }]
`,
  );
  const vlmopt = join(folder, "vlmopt");
  writeFileSync(vlmopt, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, { mode: 0o755 });
  const env = { ...process.env, VLMOPT: vlmopt, VLMOPT_CACHE: join(folder, "cache") };
  const script = join(root, "docs/many-machines/slurm-array.sh");
  const run = (command: string, args: readonly string[], task?: string) => {
    const more = task === undefined ? {} : { SLURM_ARRAY_TASK_ID: task };
    const { status, stdout, stderr } = spawnSync(command, args, {
      encoding: "utf8",
      env: { ...env, ...more },
    });
    return { status, stdout, stderr };
  };
  expect(run(script, [recipe, folder, "2"])).toMatchObject({ status: 2 });
  expect(run(script, [recipe, folder, "2"], "3").stderr).toContain("such as 3/16");
  const out = join(folder, "merged");
  const shard = (task: number) => join(folder, `shard-${task}-of-2`);
  expect(run(script, [recipe, folder, "2"], "1")).toMatchObject({ status: 0, stdout: `${shard(1)}\n` });
  const early = run(vlmopt, ["merge", out, shard(1)]);
  expect(early).toMatchObject({ status: 1, stderr: "error: there are no records of 1 shards: 2/2\n" });
  expect(run(script, [recipe, folder, "2"], "2").status).toBe(0);
  expect(run(vlmopt, ["merge", out, shard(1), shard(2)])).toMatchObject({ status: 0, stderr: "" });
  expect(run(vlmopt, ["run", recipe, "--out", join(folder, "whole")]).status).toBe(0);
  const items = (name: string) => readFileSync(join(folder, name, "items.jsonl"), "utf8");
  expect(items("merged")).toBe(items("whole"));
  expect(run(vlmopt, ["merge", out, join(folder, "nowhere")])).toMatchObject({ status: 1 });
}, 60_000);
