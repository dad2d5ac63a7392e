import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { engineTarget } from "@vlmopt/bench";
import { afterAll, expect, test } from "vitest";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");
const engine = { executor: "ort" } as const;
const folder = mkdtempSync(join(tmpdir(), "vlmopt-engine-target-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A process that does this when it is spoken to. */
function worker(name: string, code: string): string {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, `process.on("message", () => { ${code} });`);
  return pathToFileURL(path).href;
}

const request = (fixedLength: boolean) => ({
  question: "Count the large squares in the picture.",
  images: [join(fixtures, "scenes/images/scene_000.png")],
  maxNewTokens: 20,
  fixedLength,
});

test("a model answers from a process of its own", async () => {
  const target = engineTarget(join(fixtures, "tiny-llava"), engine);
  expect(target.pid).not.toBe(process.pid);
  expect(await target.load()).toBeGreaterThan(0);
  const answer = await target.answer(request(false));
  expect(answer).toMatchObject({ text: "The picture has one large square.", finish: "end" });
  const long = await target.answer(request(true));
  expect(long).toMatchObject({ newTokens: 20, finish: "length" });
  expect(long.tokens).toHaveLength(19);
  const { processPeak, executorPeak } = await target.peakMemory();
  expect(processPeak?.bytes).toBeGreaterThan(50e6);
  // ONNX Runtime keeps no account that it tells.
  expect(executorPeak).toBeNull();
  await target.close();
});

test("what a model cannot do is told in its words", async () => {
  const target = engineTarget("/nowhere", engine);
  await expect(target.load()).rejects.toThrow("/nowhere");
  await target.close();
});

test.each([
  ["exit", "process.exit(3)", "the process that ran the model ended with 3 while it loaded"],
  ["kill", 'process.kill(process.pid, "SIGKILL")', "was killed by SIGKILL while it loaded"],
  [
    "words",
    'console.error("out of memory"); setTimeout(() => process.exit(1), 50)',
    "while it loaded: out of memory",
  ],
  ["nonsense", 'process.send({ kind: "memory", process: 1, executor: null })', "said memory out of turn"],
])("a process that dies does not take the run with it: %s", async (name, code, message) => {
  const target = engineTarget("model", engine, { worker: worker(name, code) });
  await expect(target.load()).rejects.toThrow(message);
  await target.close();
});
