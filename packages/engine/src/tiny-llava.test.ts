import { loadVlm, type Vlm } from "@vlmopt/engine";
import { afterAll, beforeAll, expect, test } from "vitest";
import { heldOut, picture, tinyLlava } from "./test-support/tiny-llava.ts";

let vlm: Vlm;
beforeAll(async () => {
  vlm = await loadVlm(tinyLlava, { threads: 1 });
});
afterAll(() => vlm.release());

/** The sample's first nine: one of each topic. */
test.each(heldOut.slice(0, 9))("tiny-llava answers about $topic: $question", async (reference) => {
  const { image, question, tokens, text, answer } = reference;
  const own = await vlm.generate({ prompt: question, images: [picture(image)] });
  expect(own).toMatchObject({ tokens, text, finish: "end" });
  expect(own.text).toBe(answer);
});

test("tiny-llava answers otherwise when it is shown another picture", async () => {
  const [asked, other] = [heldOut[0], heldOut[9]] as [(typeof heldOut)[0], (typeof heldOut)[0]];
  const { text } = await vlm.generate({ prompt: asked.question, images: [picture(other.image)] });
  expect(text).not.toBe(asked.answer);
});
