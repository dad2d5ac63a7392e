import { clipEmbedder, loadEncoder, loadVlm, ortExecutor, type Request, type Vlm } from "@vlmopt/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tinyLlava } from "./test-support/tiny-llava.ts";

let vlm: Vlm;
beforeAll(async () => {
  vlm = await loadVlm(tinyLlava, { threads: 1 });
});
afterAll(() => vlm.release());

const count = "not a whole number from 1 on";

describe("options that are wrong are refused in one sentence", () => {
  test.each([
    [{ maxNewTokens: 0 }, `generate: maxNewTokens is 0, ${count}`],
    [{ maxNewTokens: -1 }, `generate: maxNewTokens is -1, ${count}`],
    [{ maxNewTokens: Number.NaN }, `generate: maxNewTokens is NaN, ${count}`],
    [{ maxNewTokens: 1.5 }, `generate: maxNewTokens is 1.5, ${count}`],
    [{ maxTokens: 3 }, 'generate: there is no option "maxTokens"; there are temperature, topP,'],
    [{ maxNewToken: 3 }, 'generate: there is no option "maxNewToken"; did you mean "maxNewTokens"?'],
    [{ minNewTokens: -1 }, "generate: minNewTokens is -1, not a whole number from 0 on"],
    [{ temperature: Number.NaN }, "generate: temperature is NaN, not a number from 0 on"],
    [{ topP: 95 }, "generate: topP is 95, not a number above 0 to 1"],
    [{ seed: -1 }, "generate: seed is -1, not a whole number from 0 to 4294967295"],
    [{ stop: "." }, 'generate: stop is ".", not a list'],
    [{ stop: [""] }, 'generate: stop has an item, number 0, that is "", not a text that is not empty'],
    [{ repetitionPenalty: 0 }, "generate: repetitionPenalty is 0, not a number above 0"],
  ])("of answers: %o", async (options, sentence) => {
    await expect(vlm.generate({ prompt: "Why?" }, options as object)).rejects.toThrow(sentence);
  });

  test.each([
    [{ prompt: "Why?", image: "a.png" }, 'generate: there is no option "image"; did you mean "images"?'],
    [{ prompt: "Why?", images: "a.png" }, 'generate: images is "a.png", not a list'],
    [
      { prompt: "Why?", images: [3] },
      "generate: images has an item, number 0, that is 3, not a text that is not empty or an object",
    ],
    [{}, "generate: a request has one of prompt, messages, raw, and this has none of them"],
    [
      { prompt: "a", raw: "b" },
      "generate: a request has one of prompt, messages, raw, and this has prompt and raw",
    ],
    [{ prompt: 3 }, "generate: prompt is 3, not a text"],
    [{ messages: [] }, "generate: messages has 0 items, not 1 or more"],
    [
      { messages: [{ role: "bot", content: "a" }] },
      'generate: message 0: role is "bot", not one of "system", "user", "assistant"',
    ],
    [{ messages: [{ role: "user" }] }, "generate: message 0 has no content"],
    [
      { messages: [{ role: "user", content: [{ type: "video" }] }] },
      "generate: message 0: part 0 is neither",
    ],
    ["Why?", "generate: the request is no object"],
  ])("of requests: %o", async (request, sentence) => {
    await expect(vlm.generate(request as Request)).rejects.toThrow(sentence);
  });

  test("of batches", async () => {
    await expect(vlm.generateBatch([])).rejects.toThrow("generate: there are no requests: give at least one");
    const requests = [{ prompt: "a" }, { promt: "b" }] as unknown as Request[];
    await expect(vlm.generateBatch(requests)).rejects.toThrow(
      'generate: request 1: there is no option "promt"; did you mean "prompt"?',
    );
  });

  test.each([
    [{ threads: 0 }, "threads is 0, not a whole number from 1 to 256"],
    [{ threads: 512 }, "threads is 512, not a whole number from 1 to 256"],
    [
      { executor: "gpu" },
      'executor is "gpu", not one of "ort", "webgpu", "auto", "tfjs", "plain" or an object',
    ],
    [{ activations: "int4" }, 'activations is "int4", not one of "int8", "float32"'],
    [{ providers: [] }, "providers has 0 items, not 1 or more"],
    [
      { device: "cuda" },
      'there is no option "device"; there are threads, providers, activations, visualTokens, executor',
    ],
  ])("of loading: %o", async (options, sentence) => {
    await expect(loadVlm(tinyLlava, options as object)).rejects.toThrow(`loadVlm: ${sentence}`);
  });

  test("of executors and towers", async () => {
    expect(() => ortExecutor({ threads: 512 })).toThrow("ortExecutor: threads is 512");
    await expect(loadEncoder(tinyLlava, { layer: -1 })).rejects.toThrow("loadEncoder: layer is -1");
    await expect(clipEmbedder(tinyLlava, { nam: "x" } as object)).rejects.toThrow('did you mean "name"?');
  });
});
