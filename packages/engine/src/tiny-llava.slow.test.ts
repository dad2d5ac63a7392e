import { loadVlm, type Vlm } from "@vlmopt/engine";
import { afterAll, beforeAll, expect, test } from "vitest";
import { heldOut, picture, tinyLlava } from "./test-support/tiny-llava.ts";

let vlm: Vlm;
beforeAll(async () => {
  vlm = await loadVlm(tinyLlava);
});
afterAll(() => vlm.release());

test("tiny-llava answers all 300 held-out questions as transformers does, 98 % of them right", async () => {
  let [same, right, rightThere] = [0, 0, 0];
  for (const { image, question, answer, text, tokens } of heldOut) {
    const own = await vlm.generate({ prompt: question, images: [picture(image)] }, { maxNewTokens: 100 });
    if (own.tokens.join() === tokens.join()) same++;
    if (own.text === answer) right++;
    if (text === answer) rightThere++;
  }
  expect(heldOut).toHaveLength(300);
  expect(same).toBeGreaterThanOrEqual(297);
  expect(rightThere).toBe(294);
  expect(Math.abs(right - rightThere)).toBeLessThanOrEqual(3);
}, 300_000);
