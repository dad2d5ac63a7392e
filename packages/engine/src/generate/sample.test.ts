import { describe, expect, test } from "vitest";
import { sampler } from "./sample.ts";

const logits = Float32Array.of(1, 3, 2, 3);

/** How often each token is drawn, of 20,000 times. */
function shares(options: Parameters<typeof sampler>[0]): number[] {
  const draw = sampler(options);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 20_000; i++) {
    const token = draw(logits);
    counts[token] = (counts[token] as number) + 1;
  }
  return counts.map((count) => count / 20_000);
}

describe("sampling", () => {
  test("takes the first of the likeliest tokens at temperature 0", () => {
    expect(sampler()(logits)).toBe(1);
  });

  test("draws by softmax of the logits over the temperature", () => {
    const temperature = 0.7;
    const powers = [...logits].map((logit) => Math.exp(logit / temperature));
    const sum = powers.reduce((a, b) => a + b, 0);
    const found = shares({ temperature });
    for (const [token, power] of powers.entries()) {
      // Four standard deviations of 20,000 draws are below 0.015.
      expect(Math.abs((found[token] as number) - power / sum)).toBeLessThan(0.015);
    }
  });

  test("draws from no more than the nucleus of topP, nor than topK tokens", () => {
    // The two of logit 3 have 0.40 each, the one of logit 2 has 0.15.
    expect(shares({ temperature: 1, topP: 0.5 }).map((share) => share > 0)).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect(shares({ temperature: 1, topP: 0.39 }).map((share) => share > 0)).toEqual([
      false,
      true,
      false,
      false,
    ]);
    expect(shares({ temperature: 1, topK: 3 }).map((share) => share > 0)).toEqual([false, true, true, true]);
  });

  test("draws the same tokens from the same seed, others from another", () => {
    const draws = (seed: number) => {
      const draw = sampler({ temperature: 1, seed });
      return Array.from({ length: 40 }, () => draw(logits));
    };
    expect(draws(7)).toEqual(draws(7));
    expect(draws(7)).not.toEqual(draws(8));
  });

  test.each([{ temperature: -1 }, { topP: 0 }, { topP: 1.5 }, { topK: 0.5 }])("refuses %o", (options) => {
    expect(() => sampler(options)).toThrow(/must be/);
  });
});
