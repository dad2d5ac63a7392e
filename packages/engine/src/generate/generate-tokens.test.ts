import { loadModel, type Model, ortExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { goldenFeatures } from "../test-support/golden-features.ts";
import { fixture, modelGoldens } from "../test-support/goldens.ts";
import { generateTokens, type TokenOptions, type TokenPrompt } from "./generate-tokens.ts";

const executor = ortExecutor({ activations: "float32", threads: 1 });
const greedy: TokenOptions = {
  maxNewTokens: 16,
  minNewTokens: 0,
  endTokens: [],
  signal: undefined,
  onToken: () => false,
};

async function withModel(name: string, work: (model: Model) => Promise<void>): Promise<void> {
  await using checkpoint = await openCheckpoint(fixture(name));
  const model = await loadModel(checkpoint, executor);
  await work(model);
  await model.release();
}

/** The prompts of a fixture's goldens, and shorter ones of text. */
async function promptsOf(model: Model, name: string): Promise<TokenPrompt[]> {
  const goldens = await Promise.all(
    (modelGoldens[name] ?? []).map(async (golden) => ({
      ids: golden.ids,
      images: (await goldenFeatures(model, golden)).map((features, i) => {
        const grid = golden.grids?.[i];
        return grid === undefined ? { features } : { features, grid };
      }),
    })),
  );
  return [...goldens, { ids: [5, 9, 33, 7], images: [] }];
}

describe("answers", () => {
  test.each(["llava", "qwen2-vl", "qwen3-vl", "gemma2", "paligemma", "blip-2"])(
    "of %s are the same one by one and in a batch",
    (name) =>
      withModel(name, async (model) => {
        const prompts = await promptsOf(model, name);
        const together = await generateTokens(model, prompts, greedy);
        for (const [n, prompt] of prompts.entries()) {
          const alone = await generateTokens(model, [prompt], greedy);
          expect(together.answers[n]).toEqual(alone.answers[0]);
        }
        const [golden] = modelGoldens[name] ?? [];
        expect(together.answers[0]?.tokens).toEqual(golden?.greedy.slice(0, 16));
      }),
  );

  test("drawn by numbers of their own are the same one by one and in a batch", () =>
    withModel("llama", async (model) => {
      const ids = modelGoldens.llama?.[0]?.ids ?? [];
      const prompts = [ids, [5, 9, 33, 7], ids].map((own) => ({ ids: own, images: [] }));
      const hot = { temperature: 2, seed: 5 };
      const sampling = [hot, {}, { ...hot, seed: 6, topP: 0.9, topK: 20 }];
      const together = await generateTokens(model, prompts, { ...greedy, sampling });
      for (const [n, prompt] of prompts.entries()) {
        const own = { ...greedy, sampling: sampling.slice(n, n + 1) };
        expect((await generateTokens(model, [prompt], own)).answers[0]).toEqual(together.answers[n]);
      }
      expect(together.answers[0]).not.toEqual(together.answers[2]);
    }));

  test("end at an end token, which is not part of them, but not before minNewTokens", () =>
    withModel("llama", async (model) => {
      const [golden] = modelGoldens.llama ?? [];
      const tokens = golden?.greedy ?? [];
      const place = tokens.findIndex((token, i) => i > 2 && !tokens.slice(0, i).includes(token));
      const prompts = [{ ids: golden?.ids ?? [], images: [] }];
      const endTokens = [tokens[place] as number];
      const ended = await generateTokens(model, prompts, { ...greedy, maxNewTokens: 30, endTokens });
      expect(ended.answers).toMatchObject([{ tokens: tokens.slice(0, place), finish: "end" }]);
      expect(ended.timings.tokens).toHaveLength(place);
      const longer = await generateTokens(model, prompts, {
        ...greedy,
        maxNewTokens: 30,
        endTokens,
        minNewTokens: 20,
      });
      expect(longer.answers[0]?.tokens.slice(0, 20)).not.toContain(endTokens[0]);
      expect(longer.answers[0]?.tokens.length).toBeGreaterThanOrEqual(20);
    }));

  test("stop when told to, and when aborted", () =>
    withModel("llama", async (model) => {
      const prompts = [{ ids: [5, 9], images: [] }];
      const seen: number[] = [];
      const onToken = (_: number, token: number) => seen.push(token) === 3;
      const { answers } = await generateTokens(model, prompts, { ...greedy, onToken });
      expect(answers).toMatchObject([{ tokens: seen, finish: "stop" }]);
      const controller = new AbortController();
      const abort = () => {
        controller.abort();
        return false;
      };
      const aborting = { ...greedy, signal: controller.signal, onToken: abort };
      await expect(generateTokens(model, prompts, aborting)).rejects.toThrow(/abort/);
    }));

  test("are refused where image tokens and pictures do not agree", () =>
    withModel("llava", async (model) => {
      await expect(generateTokens(model, [{ ids: [5, 90, 7], images: [] }], greedy)).rejects.toThrow(
        "the prompt has 1 image tokens, but its 0 pictures have 0 features",
      );
    }));
});
