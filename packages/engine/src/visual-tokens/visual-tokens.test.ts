import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadVlm, type Vlm } from "@vlmopt/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixture, vlmGolden } from "../test-support/goldens.ts";
import { visualTokenGoldens } from "../test-support/made-evidence.ts";
import { picture, tinyLlava } from "../test-support/tiny-llava.ts";
import { visualTokenMethodNames } from "./methods.ts";

let vlm: Vlm;
beforeAll(async () => {
  vlm = await loadVlm(tinyLlava);
});
afterAll(() => vlm.release());

const requestOf = (scene: { readonly image: string; readonly question: string }) => ({
  prompt: scene.question,
  images: [picture(scene.image)],
});

/** methods.slow.test.ts has more pictures. */
describe.each(visualTokenGoldens.scenes.slice(0, 2))("$image", (scene) => {
  test("methods keep the tokens that PyTorch's features and attention have them keep", async () => {
    for (const [method, choices] of Object.entries(scene.kept)) {
      for (const [keep, kept] of Object.entries(choices)) {
        const visualTokens = { method, keep: Number(keep), merge: false };
        const { pictures } = await vlm.generate(requestOf(scene), { visualTokens, maxNewTokens: 1 });
        expect(pictures).toMatchObject([{ of: 64, kept, sizes: undefined }]);
      }
    }
  });

  test("answers are transformers', of tokens at their own places that count as often as what they stand for", async () => {
    for (const [name, tokens] of Object.entries(scene.answers)) {
      const [method = "", keep, merged] = name.split(" ");
      const visualTokens = { method, keep: Number(keep), merge: merged !== undefined };
      const answer = await vlm.generate(requestOf(scene), { visualTokens, maxNewTokens: 24 });
      expect([name, answer.tokens]).toEqual([name, tokens]);
    }
  });
});

test("requests of a batch are answered as they would be alone", async () => {
  const requests = visualTokenGoldens.scenes.map(requestOf);
  const visualTokens = { keep: 16 };
  const { answers } = await vlm.generateBatch(requests, { visualTokens });
  for (const [n, request] of requests.entries()) {
    const { timings: _, ...alone } = await vlm.generate(request, { visualTokens });
    expect(answers[n]).toEqual(alone);
  }
});

test("as many tokens as the picture has change nothing", async () => {
  const [request] = visualTokenGoldens.scenes.map(requestOf);
  for (const method of visualTokenMethodNames.filter((name) => name !== "cdpruner")) {
    const { text, promptTokens } = await vlm.generate(request as never, {
      visualTokens: { keep: 64, method },
    });
    const whole = await vlm.generate(request as never);
    expect({ text, promptTokens }).toEqual({ text: whole.text, promptTokens: whole.promptTokens });
  }
});

describe("what cannot be is told in a sentence", () => {
  const [request] = visualTokenGoldens.scenes.map(requestOf) as [ReturnType<typeof requestOf>];

  test.each([
    [{ keep: 65 }, "the picture has 64 tokens, and 65 are to stay: keep 64 or fewer"],
    [{ keep: 0 }, "generate: visualTokens: keep is 0, not a whole number from 1 on"],
    [{ keep: 32, method: "divprun" }, 'generate: visualTokens: method is "divprun", not one of "divprune", '],
    [{}, "generate: visualTokens: keep is missing"],
  ])("%j", async (visualTokens, message) => {
    await expect(vlm.generate(request, { visualTokens: visualTokens as never })).rejects.toThrow(message);
  });

  test("a tower without a class token", async () => {
    const { loadModel, visualTokenPlan, plainExecutor } = await import("@vlmopt/engine");
    const { openCheckpoint } = await import("@vlmopt/tensor-io");
    const model = await loadModel(await openCheckpoint(fixture("paligemma")), plainExecutor());
    const [, , side = 0] = model.forward.imageEncoder?.pass.inputs.pixels?.shape ?? [];
    const pixels = { shape: [1, 3, side, side], data: new Float32Array(3 * side * side) };
    const plan = visualTokenPlan("test", { keep: 1, method: "visionzip" });
    await expect(model.see({ pixels }, plan)).rejects.toThrow(
      "the method visionzip needs a class token, which the vision tower of this paligemma does not have: take divprune or hiprune",
    );
  });
});

describe("settings beside a model", () => {
  const folder = mkdtempSync(join(tmpdir(), "vlmopt-visual-tokens-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  for (const name of ["config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"]) {
    symlinkSync(join(vlmGolden("llava"), name), join(folder, name));
  }
  const save = (settings: unknown) => writeFileSync(join(folder, "vlmopt.json"), JSON.stringify(settings));
  const request = { prompt: "What is it?", images: [vlmGolden("picture.png")] };

  test("are taken unless others are given", async () => {
    save({ visual_tokens: { keep: 2 } });
    const saved = await loadVlm(folder);
    const whole = await saved.generate(request, { visualTokens: false, maxNewTokens: 2 });
    const fewer = await saved.generate(request, { maxNewTokens: 2 });
    expect(whole.pictures).toBeUndefined();
    expect(fewer.pictures).toMatchObject([{ of: 4 }]);
    expect(whole.promptTokens - fewer.promptTokens).toBe(2);
    await saved.release();
    const other = await loadVlm(folder, { visualTokens: { keep: 3, method: "uniform", merge: false } });
    expect((await other.generate(request, { maxNewTokens: 2 })).pictures).toMatchObject([
      { kept: [0, 1, 2] },
    ]);
    await other.release();
  });

  test("that are wrong are named by their file", async () => {
    save({ visual_tokens: { keep: 2, methode: "divprune" } });
    await expect(loadVlm(folder)).rejects.toThrow(
      /^visual_tokens of vlmopt.json beside .*: there is no option "methode"; did you mean "method"\?$/,
    );
  });
});
