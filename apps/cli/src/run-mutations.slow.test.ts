import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endpointTarget, parseRecipe, runRecipe, type Target } from "@vlmopt/bench";
import { localFolder, type VqaRecord } from "@vlmopt/datasets";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Draw, mutatedJson, mutatedText, seeded, unfit } from "./test-support/mutations.ts";

const scratch = mkdtempSync(join(tmpdir(), "vlmopt-mutations-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const scenes = fileURLToPath(new URL("../../../fixtures/scenes", import.meta.url));
const model = fileURLToPath(new URL("../../../packages/engine/goldens/vlms/llava", import.meta.url));
const data = join(scratch, "data");
type Row = Readonly<Record<string, unknown>>;
const rows = (JSON.parse(readFileSync(join(scenes, "test.json"), "utf8")) as Row[]).slice(0, 4);

beforeAll(async () => {
  await mkdir(join(data, "images"), { recursive: true });
  for (const { image } of rows)
    await cp(join(scenes, "images", String(image)), join(data, "images", String(image)));
  writeFileSync(join(data, "test.json"), JSON.stringify(rows));
});

/** Runs 200 mutations; gives what was wrong with how they ended. */
async function mutations(
  attempt: (draw: Draw, seed: number) => Promise<void>,
): Promise<{ problems: string[]; refused: number }> {
  const problems: string[] = [];
  let refused = 0;
  for (let seed = 0; seed < 200; seed++) {
    try {
      await attempt(seeded(seed), seed);
    } catch (error) {
      refused += 1;
      const problem = unfit(error);
      if (problem !== undefined) problems.push(`seed ${seed}: ${problem}`);
    }
  }
  return { problems, refused };
}

const filesIn = (folder: string): string[] => readdirSync(folder, { recursive: true }).map(String).sort();

const recipe = `name: mutated
data: { folder: ${data}, split: test, sample: { method: first, count: 3 } }
protocol: { newTokens: 2, warmups: 1, minRepetitions: 1, minSeconds: 0, maxAnswerTokens: 4, confidence: 0.9 }
metrics: [exact-match, rouge]
maxFailed: 0.5
engine: { executor: ort, threads: 1 }
variants:
  - { name: dense, model: ${model} }
  - { name: other, model: ${model}, family: two, engine: { threads: 2 } }
`;
const RECIPE_PIECES = [
  "name:",
  ": ",
  "- ",
  "{ ",
  "}",
  "[",
  "]",
  "null",
  "-1",
  "1e9",
  '"',
  "'",
  "#",
  "&a ",
  "*a",
  "\t",
  "glu: 0.5",
  "nan",
  "  ",
  "\n",
  "model",
];

/** Answers without a model, so that runs take no time. */
function answering(): Target {
  return {
    pid: undefined,
    load: async () => 1,
    answer: async ({ maxNewTokens }) => ({
      text: "It is a star.",
      promptTokens: 9,
      newTokens: maxNewTokens,
      finish: "length",
      ttft: 1,
      tokens: Array(Math.max(0, maxNewTokens - 1)).fill(1),
      latency: maxNewTokens,
    }),
    peakMemory: async () => ({ processPeak: null, executorPeak: null }),
    close: async () => undefined,
  };
}

test("Of 200 mutations of a recipe each is refused in one sentence or measures what it names, and touches its folder alone", {
  timeout: 1_200_000,
}, async () => {
  const before = filesIn(data);
  const { problems, refused } = await mutations(async (draw, seed) => {
    const text = mutatedText(recipe, draw, RECIPE_PIECES);
    const parsed = parseRecipe(text, join(scratch, "recipe.yaml"));
    const folder = join(scratch, `run-${seed}`);
    const { summary, items } = await runRecipe(parsed, {
      folder,
      cache: join(scratch, "cache"),
      openTarget: answering,
    });
    expect(summary.variants.map(({ name }) => name)).toEqual(parsed.variants.map(({ name }) => name));
    for (const { status, error, name } of summary.variants) {
      expect(status).not.toBe("incomplete");
      if (status === "failed") {
        const problem = unfit(new Error(error ?? ""));
        if (problem !== undefined) throw new TypeError(`the variant ${name}: ${problem}`);
      } else expect(items.length).toBeGreaterThan(0);
    }
    rmSync(folder, { recursive: true });
  });
  expect(problems).toEqual([]);
  expect(refused).toBeGreaterThan(20);
  expect(refused).toBeLessThan(200);
  expect(filesIn(data)).toEqual(before);
  expect(readdirSync(scratch).filter((name) => !/^(data|cache|run-\d+)$/.test(name))).toEqual([]);
});

test("Of 200 mutations of a row of data each leaves the other rows as they were, and itself whole or out", {
  timeout: 600_000,
}, async () => {
  const folder = join(scratch, "mutated-data");
  await cp(data, folder, { recursive: true });
  const whole = await localFolder(data, { split: "test" });
  const others = new Set([0, 2, 3].map((i) => JSON.stringify(whole.records[i])));
  const { problems, refused } = await mutations(async (draw) => {
    const row = mutatedJson(JSON.stringify(rows[1]), draw);
    const texts = rows.map((one, i) => (i === 1 ? row : JSON.stringify(one)));
    writeFileSync(join(folder, "test.json"), `[${texts.join(",")}]`);
    const leftOut: string[] = [];
    const set = await localFolder(folder, {
      split: "test",
      leaveOut: ({ place, problem }) => void leftOut.push(`${place}: ${problem}`),
    });
    const own = set.records.filter((record) => !others.has(JSON.stringify(record)));
    expect(set.records.length - own.length).toBe(3);
    expect(own.length + leftOut.length).toBe(1);
    for (const sentence of leftOut) {
      const problem = unfit(new Error(sentence));
      if (problem !== undefined || !sentence.includes("test.json")) throw new TypeError(sentence);
    }
    for (const record of own)
      await assertWhole(record, row, set.imageProblem(record) ?? (await readable(set.readImage(record))));
  });
  expect(problems).toEqual([]);
  expect(refused).toBeLessThan(150);
});

async function readable(image: Promise<Uint8Array>): Promise<string | undefined> {
  const bytes = await image;
  return bytes.length > 0 ? undefined : "empty";
}

/** Every value of a record comes from its row, whole. */
async function assertWhole(record: VqaRecord, row: string, imageProblem: string | undefined): Promise<void> {
  if (imageProblem !== undefined) expect(unfit(new Error(imageProblem))).toBeUndefined();
  expect(record.question).not.toBe("");
  for (const text of [record.question, ...record.answers]) {
    expect(typeof text).toBe("string");
    const plain = JSON.stringify(text).slice(1, -1).trim();
    expect(row.includes(plain) || row.replaceAll("\\\\", "").includes(plain)).toBe(true);
  }
}

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const stream = [
  chunk({ role: "assistant", content: "" }),
  chunk({ content: "A red " }),
  chunk({ content: "circle." }),
  chunk({}, "stop"),
  `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 4 } })}\n\n`,
  "data: [DONE]\n\n",
];
const STREAM_PIECES = [
  "data: ",
  "\n\n",
  "\n",
  "\r\n",
  ": keep-alive\n\n",
  "event: error\n",
  "[DONE]",
  "{",
  "}",
  "null",
  '"',
  "<html>",
  "\u0000",
  "é",
  "data: {}\n\n",
  'data: {"error":{"message":"busy"}}\n\n',
];

test("Of 200 mutations of an endpoint's stream each is told as what it is or gives an answer", {
  timeout: 600_000,
}, async () => {
  const question = {
    question: "What?",
    images: [join(data, "images", String(rows[0]?.image))],
    maxNewTokens: 8,
    fixedLength: false,
  };
  const { problems, refused } = await mutations(async (draw) => {
    const at = draw(stream.length);
    const wholeLine = draw(3) === 0;
    const text = wholeLine
      ? mutatedText(stream.join(""), draw, STREAM_PIECES)
      : stream
          .map((line, i) =>
            i === at && line.startsWith("data: {") ? `data: ${mutatedJson(line.slice(6), draw)}\n\n` : line,
          )
          .join("");
    const spec = {
      url: "http://localhost:1/v1",
      model: "m",
      concurrency: 1,
      timeout: 1,
      retries: 0,
      extra: {},
      apiKeyVariable: undefined,
    };
    const target = endpointTarget(spec, { env: {}, retryDelay: 1, fetch: async () => streamed(text, draw) });
    try {
      const { text: said, newTokens, tokens, ttft, finish } = await target.answer(question);
      expect(said.trim()).not.toBe("");
      expect(said).not.toMatch(/undefined|\[object|NaN/);
      expect(newTokens === null || (Number.isInteger(newTokens) && newTokens > 0 && newTokens < 1e6)).toBe(
        true,
      );
      expect([ttft, ...tokens].every((time) => Number.isFinite(time) && time >= 0)).toBe(true);
      expect(["end", "stop", "length"]).toContain(finish);
    } finally {
      await target.close();
    }
  });
  expect(problems).toEqual([]);
  expect(refused).toBeGreaterThan(5);
  expect(refused).toBeLessThan(200);
});

/** A response whose bytes come in pieces, cut anywhere. */
function streamed(text: string, draw: Draw): Response {
  const bytes = new TextEncoder().encode(text);
  const cut = draw(bytes.length + 1);
  const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
  const body = new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}
