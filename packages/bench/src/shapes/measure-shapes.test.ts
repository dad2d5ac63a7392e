import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { BenchError, measureShapes, readModelConfig, type ShapeProgress, shapeTable } from "@vlmopt/bench";
import { afterAll, expect, test } from "vitest";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures/checkpoints");
const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(join(fixtures, name, "config.json"), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "vlmopt-shapes-"));
afterAll(() => rmSync(folder, { recursive: true }));

const brief = { promptTokens: 30, newTokens: 6, repetitions: 2, threads: 1 };

test("schemes are measured side by side, and one that fails does not stop the others", async () => {
  const progress: ShapeProgress[] = [];
  const summary = await measureShapes(fixture("llava"), {
    ...brief,
    schemes: ["bf16", "int4-g128", "nf4"],
    onProgress: (step) => progress.push(step),
  });
  expect(summary.protocol).toEqual({ newTokens: 6, warmups: 1, repetitions: 2, confidence: 0.95 });
  const [bf16, int4, nf4] = summary.schemes;
  expect(bf16).toMatchObject({
    // 111,920 is what transformers counts; 28 pixels at 14 a patch give 4 tokens.
    ...{ scheme: "bf16", error: null, executor: "ort", parameters: 111_920, bytes: 2 * 111_920 },
    ...{ promptTokens: 30, imageTokens: 4, speed: { ttft: { samples: 2 }, loadTime: { samples: 1 } } },
    ...{ vision: { samples: 2 }, tokens: expect.objectContaining({ length: 6 }) },
    memory: { executorPeak: null, processPeak: { bytes: expect.any(Number) } },
  });
  expect(int4).toEqual({
    scheme: "int4-g128",
    error: expect.stringContaining("groups of 128, 64, 32 do not divide rows of 48 weights"),
  });
  if (bf16?.error !== null || nf4?.error !== null) throw new Error("they have been measured");
  expect(nf4.bytes).toBeLessThan(bf16.bytes);
  // Bytes of a token by its time.
  expect(bf16.bandwidth).toBeCloseTo((1000 * bf16.bytesPerToken) / (bf16.speed.tpot?.median ?? 0), 5);
  expect(bf16.speed.ttft.median).toBeLessThan(bf16.speed.latency.median);
  expect(progress[0]).toEqual({ scheme: "bf16", phase: "loading", done: 0, total: 9 });
  expect(progress.at(-1)).toEqual({ scheme: "nf4", phase: "speed", done: 9, total: 9 });
  const { head, rows } = shapeTable(summary);
  expect(rows.map(([scheme, executor, megabytes]) => [scheme, executor, megabytes])).toEqual([
    ["bf16", "ort", "0.2"],
    ["nf4", "ort", "0.1"],
  ]);
  expect(rows.every((row) => row.length === head.length)).toBe(true);
});

test("text models have no vision, one token alone no time a token", async () => {
  const { schemes } = await measureShapes(fixture("llama"), { ...brief, newTokens: 1, schemes: ["f32"] });
  expect(schemes).toMatchObject([{ vision: null, imageTokens: 0, bandwidth: null, speed: { tpot: null } }]);
});

test("executors answer alike", async () => {
  const tokens = [];
  for (const executor of ["ort", "plain"] as const) {
    const { schemes } = await measureShapes(fixture("llava-new"), {
      ...{ ...brief, newTokens: 3, repetitions: 1 },
      ...{ schemes: ["f32"], executor },
    });
    expect(schemes[0]).toMatchObject({ executor, error: null, imageTokens: 4, promptTokens: 30 });
    tokens.push(schemes[0]?.error === null ? schemes[0].tokens : undefined);
  }
  expect(tokens[1]).toEqual(tokens[0]);
});

test("a table of positions bounds prompt and answer", async () => {
  const config = { ...(fixture("opt") as object), max_position_embeddings: 40 };
  const of = async (promptTokens: number) =>
    (await measureShapes(config, { ...brief, promptTokens, newTokens: 10, schemes: ["f32"] })).schemes[0];
  expect(await of(30)).toMatchObject({ error: null });
  expect(await of(31)).toMatchObject({
    error: "31 tokens of prompt and 10 new ones are more than the 40 positions that this opt has",
  });
});

test("answers that differ from request to request are an error", async () => {
  const path = join(folder, "fickle.mjs");
  const loaded = { kind: "loaded", milliseconds: 1, executor: "ort", bytesPerToken: 1 };
  writeFileSync(
    path,
    `let asked = 0;
process.on("message", ({ kind }) =>
  process.send(kind === "load" ? ${JSON.stringify(loaded)}
    : { kind: "answered", vision: null, ttft: 1, latency: 2, tokens: [7, asked++ < 2 ? 8 : 9] }));`,
  );
  const worker = pathToFileURL(path);
  const { schemes } = await measureShapes(fixture("llama"), { ...brief, schemes: ["f32"], worker });
  expect(schemes).toEqual([
    { scheme: "f32", error: "request 3 is answered otherwise than the first: token 2 is 9, not 8" },
  ]);
});

test("a scheme that cannot be made up is told before anything is measured", async () => {
  await expect(measureShapes(fixture("llama"), { schemes: ["f32", "gptq"] })).rejects.toThrow(BenchError);
});

test("an aborted measurement ends with the signal's reason, between two requests", async () => {
  const controller = new AbortController();
  const done: number[] = [];
  const measuring = measureShapes(fixture("llama"), {
    ...brief,
    schemes: ["f32", "nf4"],
    signal: controller.signal,
    onProgress(progress) {
      done.push(progress.done);
      if (progress.done === 2) controller.abort(new Error("enough"));
    },
  });
  await expect(measuring).rejects.toThrow("enough");
  expect(done).toEqual([0, 1, 2]);
});

test("a configuration is read from its file or its folder, and what is wrong is told with the file", async () => {
  expect(await readModelConfig(join(fixtures, "llava"))).toEqual(fixture("llava"));
  expect(await readModelConfig(join(fixtures, "llava/config.json"))).toEqual(fixture("llava"));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  mkdirSync(join(folder, "empty"));
  const problems = [
    [join(folder, "nowhere.json"), "nowhere.json: no such file"],
    [join(folder, "empty"), "empty/config.json: no such file"],
    [file("broken.json", "{"), "broken.json: is not valid JSON"],
    [file("list.json", "[]"), "list.json: config.json is not an object"],
    [
      file("strange.json", '{"model_type": "bert"}'),
      'strange.json: model_type "bert" is not known; known are',
    ],
    [
      file("size.json", '{"model_type": "llama", "hidden_size": -1}'),
      "size.json: hidden_size of config.json is -1; it must be a whole number of at least 1",
    ],
  ] as const;
  for (const [path, message] of problems) await expect(readModelConfig(path)).rejects.toThrow(message);
});
