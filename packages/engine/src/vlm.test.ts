import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadVlm, type Vlm } from "@vlmopt/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** Models and answers by tools/reference/engine_vlms.py. */
const folder = fileURLToPath(new URL("../goldens/vlms/", import.meta.url));
const picture = `${folder}picture.png`;

interface AnswerGolden {
  readonly question: string;
  readonly pictures: number;
  readonly promptTokens: number;
  readonly tokens: readonly number[];
  readonly text: string;
}

describe.each(["llava", "qwen2_vl"])("%s", (family) => {
  const goldens = JSON.parse(readFileSync(`${folder}${family}/answers.json`, "utf8")) as AnswerGolden[];
  const requests = goldens.map(({ question, pictures }) => ({
    prompt: question,
    images: Array<string>(pictures).fill(picture),
  }));
  let vlm: Vlm;
  beforeAll(async () => {
    vlm = await loadVlm(`${folder}${family}`, { threads: 1 });
  });
  afterAll(() => vlm.release());

  test("answers about files of pictures as transformers does", async () => {
    for (const [n, { tokens, text, promptTokens }] of goldens.entries()) {
      const pieces: string[] = [];
      const answer = await vlm.generate(requests[n] as (typeof requests)[0], {
        maxNewTokens: 24,
        onText: (piece) => pieces.push(piece),
      });
      // The end token is none of the answer's.
      const own = tokens.filter((token) => token !== 2);
      expect(answer).toMatchObject({ tokens: own, promptTokens, finish: own.length < 24 ? "end" : "length" });
      expect(answer.text).toBe(vlm.tokenizer.decode(own));
      expect(pieces.join("")).toBe(answer.text);
      // Of bytes that make no characters, which random weights like, SentencePiece's two decoders keep different parts.
      if (family === "qwen2_vl") expect(answer.text).toBe(text);
    }
  });

  test("answers a batch as one by one, and tells how long it took", async () => {
    const { answers, timings } = await vlm.generateBatch(requests, { maxNewTokens: 8 });
    for (const [n, request] of requests.entries()) {
      const { timings: _, ...alone } = await vlm.generate(request, { maxNewTokens: 8 });
      expect(answers[n]).toEqual(alone);
    }
    expect(timings.tokens).toHaveLength(7);
    expect(timings.ttft).toBeGreaterThanOrEqual(timings.preprocess + timings.vision + timings.prefill);
  });

  test("gives the logits of every token of a prompt", async () => {
    const { ids, logits } = await vlm.logits(requests[0] as (typeof requests)[0]);
    expect(ids).toHaveLength(goldens[0]?.promptTokens ?? 0);
    expect(logits).toHaveLength(ids.length * 448);
    const last = logits.subarray(-448);
    expect(last.indexOf(Math.max(...last))).toBe(goldens[0]?.tokens[0]);
  });
});

describe("an answer", () => {
  let vlm: Vlm;
  const request = { prompt: "What is in the picture?", images: [picture] };
  beforeAll(async () => {
    vlm = await loadVlm(`${folder}llava`, { threads: 1 });
  });
  afterAll(() => vlm.release());

  test("ends before a stop text, none of which was shown", async () => {
    const whole = await vlm.generate(request, { maxNewTokens: 24 });
    const stop = whole.text.slice(8, 12);
    const pieces: string[] = [];
    const stopped = await vlm.generate(request, {
      maxNewTokens: 24,
      stop: [stop],
      onText: (text) => pieces.push(text),
    });
    expect(stopped.finish).toBe("stop");
    expect(stopped.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect(pieces.join("")).toBe(stopped.text);
  });

  test("is drawn anew by another seed, and again by the same", async () => {
    const draw = async (seed: number) =>
      (await vlm.generate(request, { maxNewTokens: 12, temperature: 1, seed })).text;
    expect(await draw(1)).toBe(await draw(1));
    expect(await draw(1)).not.toBe(await draw(2));
  });

  test("takes pixels and bytes as it takes files", async () => {
    const bytes = new Uint8Array(readFileSync(picture));
    const fromFile = await vlm.generate(request, { maxNewTokens: 4 });
    const fromBytes = await vlm.generate({ ...request, images: [bytes] }, { maxNewTokens: 4 });
    expect(fromBytes.tokens).toEqual(fromFile.tokens);
  });

  test("is refused for pictures that are not there", async () => {
    await expect(vlm.generate({ ...request, images: ["/nowhere.png"] })).rejects.toThrow(
      "/nowhere.png: cannot be read",
    );
  });
});

test("a checkpoint without a tokenizer is refused", async () => {
  const llava = fileURLToPath(new URL("../../../fixtures/checkpoints/llava", import.meta.url));
  await expect(loadVlm(llava)).rejects.toThrow(/there is no tokenizer\.json in .*llava/);
});
