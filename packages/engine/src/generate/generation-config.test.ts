import { readFileSync } from "node:fs";
import { loadModel, loadVlm, ortExecutor } from "@vlmopt/engine";
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { goldenFeatures } from "../test-support/golden-features.ts";
import { fixture, modelGoldens, vlmGolden } from "../test-support/goldens.ts";
import { heldOut, picture, tinyLlava } from "../test-support/tiny-llava.ts";
import { generateTokens } from "./generate-tokens.ts";
import { generationDefaults } from "./generation-config.ts";

type File = Readonly<Record<string, unknown>>;

/** What transformers makes of generation_config.json (tools/reference/engine_generation.py). */
const goldens = JSON.parse(
  readFileSync(new URL("../../goldens/generation.json", import.meta.url), "utf8"),
) as {
  readonly greedy: readonly {
    readonly name: string;
    readonly file: File;
    readonly tokens: readonly number[];
  }[];
  readonly drawn: readonly {
    readonly file: File;
    readonly do_sample: boolean;
    readonly temperature: number;
    readonly top_k: number;
    readonly top_p: number;
    readonly repetition_penalty: number;
  }[];
};

function withFile(checkpoint: Checkpoint, file: File | string): Checkpoint {
  const text = typeof file === "string" ? file : JSON.stringify(file);
  const readSibling: Checkpoint["readSibling"] = async (name) =>
    name === "generation_config.json" ? new TextEncoder().encode(text) : checkpoint.readSibling(name);
  return { ...checkpoint, readSibling };
}

describe.each(["llama", "llava"])("answers of %s", (name) => {
  test.each(goldens.greedy.filter((golden) => golden.name === name))(
    "with $file are those of generate()",
    async ({ file, tokens }) => {
      await using checkpoint = await openCheckpoint(fixture(name));
      const model = await loadModel(checkpoint, ortExecutor({ activations: "float32", threads: 1 }));
      const { endTokens, minNewTokens, rules } = await generationDefaults(withFile(checkpoint, file));
      const [golden] = modelGoldens[name] ?? [];
      if (golden === undefined) throw new RangeError(`there is no golden of ${name}`);
      const features = await goldenFeatures(model, golden);
      const prompt = { ids: golden.ids, images: features.map((of) => ({ features: of })) };
      const options = {
        endTokens,
        minNewTokens,
        rules,
        maxNewTokens: 24,
        signal: undefined,
        onToken: () => false,
      };
      // Beside another prompt, whose tokens are not its own.
      const { answers } = await generateTokens(model, [prompt, { ids: [5, 9, 33], images: [] }], options);
      expect(answers[0]?.tokens).toEqual(tokens.filter((token) => !endTokens.includes(token)));
      await model.release();
    },
  );
});

test.each(goldens.drawn)("tokens are drawn as generate() draws them with $file", async (golden) => {
  await using checkpoint = await openCheckpoint(fixture("llama"));
  const { sampling, rules } = await generationDefaults(withFile(checkpoint, golden.file));
  expect(sampling.temperature).toBe(golden.do_sample ? golden.temperature : 0);
  if (golden.do_sample)
    expect(sampling.topK).toBe(golden.top_k === 0 ? Number.POSITIVE_INFINITY : golden.top_k);
  expect(sampling.topP).toBe(golden.top_p);
  expect(rules.repetitionPenalty).toBe(golden.repetition_penalty);
});

test("a trained model answers with a repetition penalty as in generate(), and without where options say so", async () => {
  await using checkpoint = await openCheckpoint(tinyLlava);
  const file = { bos_token_id: 1, eos_token_id: 2, pad_token_id: 0, repetition_penalty: 1.5 };
  const vlm = await loadVlm(withFile(checkpoint, file), { activations: "float32", threads: 1 });
  const request = { prompt: "How many shapes are there?", images: [picture(heldOut[0]?.image ?? "")] };
  const penalized = await vlm.generate(request);
  const plain = await vlm.generate(request, { repetitionPenalty: 1 });
  expect([penalized.text, plain.text]).toEqual(["There are no stars.", "On a are four crosses."]);
  await vlm.release();
});

describe("a file", () => {
  test("that asks for what is not done warns of it, once for all", async () => {
    await using checkpoint = await openCheckpoint(vlmGolden("llava"));
    const warnings: string[] = [];
    const asking = withFile(checkpoint, { num_beams: 4, typical_p: 0.9, min_p: null, guidance_scale: 1 });
    const vlm = await loadVlm(asking, { onWarning: (message) => warnings.push(message) });
    expect(warnings).toEqual([
      `generation_config.json of ${checkpoint.location} asks for num_beams 4, typical_p 0.9, which is not done here: answers may differ from transformers'`,
    ]);
    await vlm.release();
  });

  test.each([
    [
      { repetition_penalty: 0 },
      /repetition_penalty in generation_config.json of .*llama.* is 0; it must be a number above 0/,
    ],
    [{ repetition_penalty: "1.5" }, /repetition_penalty in .* is "1.5"/],
    [{ suppress_tokens: [1, "a"] }, /suppress_tokens in .* it must be a list of tokens/],
    [{ bad_words_ids: [1, 2] }, /bad_words_ids in .* it must be a list of lists of tokens/],
    [{ do_sample: true, temperature: 0 }, /temperature in .* is 0; it must be a number above 0/],
    [{ do_sample: true, top_p: 7 }, /top_p in .* is 7/],
    ["{", /generation_config.json of .*llama.* is no JSON/],
  ])("is refused for %j", async (file, message) => {
    await using checkpoint = await openCheckpoint(fixture("llama"));
    await expect(generationDefaults(withFile(checkpoint, file))).rejects.toThrow(message);
  });
});

describe("a prompt", () => {
  test("longer than the model's positions is refused, and an answer ends at the last", async () => {
    await using checkpoint = await openCheckpoint(fixture("opt"));
    const model = await loadModel(checkpoint, ortExecutor({ threads: 1 }));
    const options = {
      endTokens: [],
      minNewTokens: 0,
      maxNewTokens: 24,
      signal: undefined,
      onToken: () => false,
    };
    const ids = (count: number) => Array.from({ length: count }, (_, i) => 3 + (i % 90));
    await expect(generateTokens(model, [{ ids: ids(129), images: [] }], options)).rejects.toThrow(
      "the prompt takes 129 positions (129 tokens, 0 pictures), and the model has 128 (max_position_embeddings): shorten it",
    );
    const prompts = [120, 20, 128].map((count) => ({ ids: ids(count), images: [] }));
    const { answers } = await generateTokens(model, prompts, options);
    expect(answers.map(({ tokens, finish }) => [tokens.length, finish])).toEqual([
      [9, "length"],
      [24, "length"],
      [1, "length"],
    ]);
    await model.release();
  });
});
