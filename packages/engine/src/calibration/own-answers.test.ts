import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  answerRequests,
  loadVlm,
  madePicture,
  openCalibrationWalk,
  ortExecutor,
  ownAnswers,
} from "@vlmopt/engine";
import { afterAll, describe, expect, test } from "vitest";
import { fixture, vlmGolden } from "../test-support/goldens.ts";
import { heldOut, picture, tinyLlava } from "../test-support/tiny-llava.ts";

const executor = ortExecutor({ activations: "float32", threads: 1 });

/** A llama with the tokenizer of another model, of which it has the first tokens. */
const folder = mkdtempSync(join(tmpdir(), "vlmopt-own-answers-"));
cpSync(fixture("llama"), folder, { recursive: true });
for (const name of ["tokenizer.json", "tokenizer_config.json"])
  cpSync(join(vlmGolden("llava"), name), join(folder, name));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a language model's own text", () => {
  test("begins with a random token behind the beginning of a sequence, and is the same each time", async () => {
    const vlm = await loadVlm(folder, { executor });
    const first = await ownAnswers(vlm, { count: 18, tokens: 6 });
    expect(await ownAnswers(vlm, { count: 18, tokens: 6 })).toEqual(first);
    expect(await ownAnswers(vlm, { count: 18, tokens: 6, seed: 99 })).not.toEqual(first);
    const bos = vlm.tokenizer.idOf(vlm.tokenizer.bosToken ?? "");
    const starts = new Set<number>();
    for (const item of first) {
      const ids = "ids" in item ? Array.from(item.ids) : [];
      expect(ids.length).toBe(1 + 1 + 6);
      expect(ids[0]).toBe(bos);
      expect(vlm.endTokens.some((token) => ids.includes(token))).toBe(false);
      starts.add(ids[1] as number);
    }
    expect(starts.size).toBeGreaterThan(6);
    await vlm.release();
  });
});

describe("a vision-language model", () => {
  test("answers questions about made pictures, the same each time, and a walk reads that", async () => {
    const vlm = await loadVlm(tinyLlava, { executor });
    const items = await ownAnswers(vlm, { count: 5, tokens: 8, seed: 3 });
    const answersOf = (all: typeof items) => all.map((item) => ("answer" in item ? item.answer : undefined));
    expect(answersOf(await ownAnswers(vlm, { count: 5, tokens: 8, seed: 3 }))).toEqual(answersOf(items));
    expect(answersOf(items).every((answer) => (answer?.length ?? 0) > 0)).toBe(true);
    await vlm.release();
    expect(items.every((item) => "answer" in item && (item.images?.length ?? 0) === 1)).toBe(true);
    const walk = await openCalibrationWalk(tinyLlava, items, { executor });
    expect(walk.sequences).toBe(5);
    expect(walk.tokens).toBeGreaterThan(5 * 64);
    await walk.release();
  });

  test("gives requests the answers that it gives alone", async () => {
    const vlm = await loadVlm(tinyLlava, { executor });
    const requests = ["How many circles are there?", "What colour is the square?"].map((prompt) => ({
      prompt,
      images: [picture(heldOut[0]?.image ?? "")],
    }));
    const items = await answerRequests(vlm, requests, { tokens: 8 });
    for (const [n, request] of requests.entries()) {
      const { tokens } = await vlm.generate(request, { maxNewTokens: 8, temperature: 0 });
      expect(items[n]).toEqual({ ...request, answer: tokens });
    }
    await vlm.release();
  });
});

test("made pictures are of four kinds, and the same from the same number", () => {
  const pictures = Array.from({ length: 8 }, (_, n) => madePicture(n));
  for (const [n, { width, height, data }] of pictures.entries()) {
    expect(data.length).toBe(3 * width * height);
    expect(Buffer.compare(madePicture(n).data, data)).toBe(0);
    // Neither plain nor all one.
    expect(new Set(data).size).toBeGreaterThan(3);
  }
  expect(new Set(pictures.map(({ data }) => Buffer.from(data).toString("base64"))).size).toBe(8);
});
