import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { parseRecipe } from "../recipe/read-recipe.ts";
import { writeReport } from "../report/write-report.ts";
import { fakeTarget } from "../test-support/fake-target.ts";
import { runRecipe } from "./run-recipe.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");
const text = `
name: test
data: { folder: ${fixtures}/scenes, split: test, sample: { method: first, count: 2 } }
protocol: { newTokens: 4, warmups: 0, minRepetitions: 1, minSeconds: 0 }
metrics: [exact-match]
grids: [{ model: ${fixtures}/tiny-llava }]
`;
const recipe = parseRecipe(text, "test.yaml");

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "vlmopt-run-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
});

const run = (folder: string, fresh = false) =>
  runRecipe(recipe, { folder, fresh, cache: join(root, "cache"), openTarget: () => fakeTarget() });

describe("a run's folder", () => {
  it.each([false, true])("is none that holds others' files (fresh: %s)", async (fresh) => {
    const folder = join(root, "theirs");
    await mkdir(folder);
    const files = { "recipe.json": "{}", "summary.json": "mine", "results.jsonl": "mine", "a.txt": "mine" };
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    await expect(run(folder, fresh)).rejects.toMatchObject({
      name: "BenchError",
      message: `${folder}: holds a.txt, recipe.json, results.jsonl and 1 more, and no run`,
    });
    expect((await readdir(folder)).sort()).toEqual(Object.keys(files).sort());
    for (const [name, content] of Object.entries(files)) {
      expect(await readFile(join(folder, name), "utf8")).toBe(content);
    }
    await expect(run(join(folder, "a.txt"))).rejects.toThrow("is a file");
  });

  it("may be empty; measured anew, it loses what was measured and nothing else", async () => {
    const folder = join(root, "run");
    await mkdir(folder);
    await run(folder);
    const results = await readFile(join(folder, "results.jsonl"), "utf8");
    await writeFile(join(folder, "notes.txt"), "precious");
    await run(folder);
    expect(await readFile(join(folder, "results.jsonl"), "utf8")).toBe(results);
    const other = { ...recipe, name: "another" };
    const options = { folder, cache: join(root, "cache"), openTarget: () => fakeTarget() };
    await expect(runRecipe(other, options)).rejects.toThrow("holds a run of another recipe");
    await runRecipe(other, { ...options, fresh: true });
    expect(JSON.parse(await readFile(join(folder, "recipe.json"), "utf8")).name).toBe("another");
    expect(await readFile(join(folder, "notes.txt"), "utf8")).toBe("precious");
    expect(await readdir(folder)).not.toContain(".lock");
  });

  it("is worked in by one process: another is told which, until that is killed", async () => {
    const folder = join(root, "run");
    const path = join(root, "test.yaml");
    await writeFile(
      path,
      text.replace("maxAnswerTokens", "").replace("minRepetitions: 1", "minRepetitions: 5000"),
    );
    const killed = resolve(import.meta.dirname, "../test-support/killed-run.mjs");
    const child = spawn(process.execPath, [killed, path, folder, join(root, "cache")], { stdio: "ignore" });
    onTestFinished(() => void child.kill("SIGKILL"));
    const results = join(folder, "results.jsonl");
    await expect
      .poll(() => existsSync(results) && readFileSync(results, "utf8") !== "", { timeout: 20_000 })
      .toBe(true);
    const problem = `${folder}: process ${child.pid} on ${hostname()} is at work there`;
    for (const fresh of [false, true]) await expect(run(folder, fresh)).rejects.toThrow(problem);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    await run(folder, true);
    expect(await readdir(folder)).not.toContain(".lock");
  });
});

describe("a report", () => {
  it("replaces and deletes what an earlier one wrote, and nothing else", async () => {
    const folder = join(root, "run");
    await run(folder);
    await mkdir(join(folder, "figures"));
    await writeFile(join(folder, "figures/mine.svg"), "precious");
    await writeFile(join(folder, "report.html"), "precious");
    await expect(writeReport(folder)).rejects.toThrow(
      `${join(folder, "report.html")}: is in the way, and no report wrote it`,
    );
    expect(await readFile(join(folder, "report.html"), "utf8")).toBe("precious");
    expect(await readdir(join(folder, "figures"))).toEqual(["mine.svg"]);
    await rm(join(folder, "report.html"));
    const { figures } = await writeReport(folder);
    // Of a variant that is no longer there.
    const record = JSON.parse(await readFile(join(folder, ".vlmopt.json"), "utf8"));
    record.files["figures/old.svg"] = null;
    await writeFile(join(folder, ".vlmopt.json"), JSON.stringify(record));
    await writeFile(join(folder, "figures/old.svg"), "ours");
    expect((await writeReport(folder)).figures).toEqual(figures);
    const names = await readdir(join(folder, "figures"));
    expect(names).toHaveLength(figures.length + 1);
    expect(names).toContain("mine.svg");
  });
});
