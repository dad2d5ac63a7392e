import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { drawToken, type SamplingOptions, sampler, uniformNumbers } from "./sample.ts";

/** What transformers and torch give (tools/reference/engine_sampling.py). */
interface Goldens {
  readonly distributions: readonly {
    readonly logits: readonly number[];
    readonly cases: readonly (SamplingOptions & { readonly probabilities: readonly number[] })[];
  }[];
  readonly uniforms: readonly { readonly seed: number; readonly numbers: readonly number[] }[];
}

const goldens = JSON.parse(
  readFileSync(new URL("../../goldens/sampling.json", import.meta.url), "utf8"),
) as Goldens;

const draws = 5000;

/** The share of each token, over numbers at equal distances. */
function shares(logits: Float32Array, options: SamplingOptions): number[] {
  const counts = Array.from(logits, () => 0);
  for (let i = 0; i < draws; i++) {
    const token = drawToken(logits, sampler(options), (i + 0.5) / draws);
    counts[token] = (counts[token] as number) + 1;
  }
  return counts.map((count) => count / draws);
}

describe("sampling", () => {
  const logits = Float32Array.of(1, 3, 2, 3);

  test("takes the first of the likeliest tokens at temperature 0", () => {
    expect(drawToken(logits, sampler(), 0.9)).toBe(1);
  });

  const cases = goldens.distributions.flatMap(({ logits, cases }) =>
    cases.map(({ probabilities, ...options }) => ({ options, probabilities, logits })),
  );
  test.each(cases)("draws by the probabilities of transformers' warpers: $options", (each) => {
    const found = shares(Float32Array.from(each.logits), each.options);
    for (const [token, probability] of each.probabilities.entries()) {
      // As many of so many equal parts as begin, or as end, in the token's.
      expect(Math.abs((found[token] as number) - probability)).toBeLessThan(1.001 / draws);
      if (probability === 0) expect(found[token]).toBe(0);
    }
  });

  test("keeps the first of equally likely tokens where topP or topK ends", () => {
    const drawn = (options: SamplingOptions) => shares(logits, options).map((share) => share > 0);
    // The two of logit 3 have 0.40 each, the one of logit 2 has 0.15.
    expect(drawn({ temperature: 1, topP: 0.5 })).toEqual([false, true, false, true]);
    expect(drawn({ temperature: 1, topP: 0.39 })).toEqual([false, true, false, false]);
    expect(drawn({ temperature: 1, topK: 1 })).toEqual([false, true, false, false]);
    expect(drawn({ temperature: 1, topK: 3 })).toEqual([false, true, true, true]);
    // They have 0.84 of the three likeliest, but 0.80 of all.
    expect(drawn({ temperature: 1, topK: 3, topP: 0.83 })).toEqual([false, true, false, true]);
  });

  test("never draws tokens that are excluded or too unlikely, by no number", () => {
    const some = Float32Array.of(Number.NEGATIVE_INFINITY, 2, 2, -900, Number.NEGATIVE_INFINITY);
    for (const uniform of [0, 0.49, 1 - 2 ** -24, 1]) {
      for (const options of [{}, { topP: 0.999 }, { topK: 4 }, { topK: 100, topP: 1e-9 }]) {
        expect([1, 2]).toContain(drawToken(some, sampler({ temperature: 1, ...options }), uniform));
      }
    }
    const none = new Float32Array(4).fill(Number.NEGATIVE_INFINITY);
    expect(drawToken(none, sampler({ temperature: 1, topP: 0.5, topK: 2 }), 0.5)).toBe(0);
  });

  test.each(goldens.uniforms)("has torch's uniform numbers of seed $seed", ({ seed, numbers }) => {
    expect([...uniformNumbers(seed, numbers.length)]).toEqual(numbers);
  });

  test.each([{ temperature: -1 }, { topP: 0 }, { topP: 1.5 }, { topK: 0.5 }, { topK: 0 }])(
    "refuses %o",
    (options) => {
      expect(() => sampler(options)).toThrow(/^sampling: \w+ is \S+, not a /);
    },
  );
});
