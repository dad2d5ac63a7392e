import { readFileSync } from "node:fs";
import { clipEmbedder, decodeImage, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { describe, expect, test } from "vitest";
import { cut } from "../images/rgb-image.ts";
import { encoderFixture, vlmGolden } from "../test-support/goldens.ts";
import { scorerGoldens } from "../test-support/scorer-goldens.ts";

const { texts, clip } = scorerGoldens;
const picture = vlmGolden("picture.png");

function expectVectors(found: readonly Float32Array[], expected: readonly (readonly number[])[]) {
  expect(found.length).toBe(expected.length);
  for (const [n, vector] of expected.entries()) {
    expect(found[n]?.length).toBe(vector.length);
    for (const [i, x] of vector.entries())
      expect(Math.abs(x - (found[n]?.[i] ?? Number.NaN))).toBeLessThan(1e-4);
  }
}

describe.each([plainExecutor(), ortExecutor({ threads: 1 })])("CLIP by the $name executor", (executor) => {
  test("puts texts where transformers puts them, long ones cut", async () => {
    const embedder = await clipEmbedder(encoderFixture("clip"), { executor });
    expectVectors(await embedder.encodeTexts(texts), clip.texts);
    expectVectors(await embedder.encodeTexts(texts.slice(1, 2)), clip.texts.slice(1, 2));
    await embedder.release();
  });

  test("puts pictures where transformers puts them: files, bytes and pixels", async () => {
    const embedder = await clipEmbedder(encoderFixture("clip"), { executor });
    const image = await decodeImage(picture);
    const second = cut(image, { top: 5, left: 10, height: 55, width: 40 });
    const third = cut(image, { top: 0, left: 60, height: 30, width: 30 });
    expectVectors(await embedder.encodeImages([picture, second, third]), clip.images);
    const bytes = new Uint8Array(readFileSync(picture));
    expectVectors(await embedder.encodeImages([bytes]), clip.images.slice(0, 1));
    await embedder.release();
  });
});

test("what is no CLIP is refused", async () => {
  await expect(clipEmbedder(encoderFixture("gpt2"))).rejects.toThrow('model_type "gpt2" is no clip');
});

test("of many texts none is lost", async () => {
  const embedder = await clipEmbedder(encoderFixture("clip"), { executor: plainExecutor() });
  const [first, second] = [texts[0] as string, texts[5] as string];
  const vectors = await embedder.encodeTexts([...Array<string>(17).fill(first), second]);
  expectVectors(
    vectors.slice(15),
    [0, 0, 5].map((n) => clip.texts[n] as readonly number[]),
  );
  await embedder.release();
});
