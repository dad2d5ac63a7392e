import { listOf, oneOf, type Rules, share, whole } from "@vlmopt/options";
import type { BootstrapOptions } from "./bootstrap.ts";
import type { ComparisonOptions } from "./significance.ts";

/** Of the generator that resamples and draws come from, which has 32 bits of it. */
export const seedRule = whole({ from: 0, to: 2 ** 32 - 1 });

export const bootstrapRules: Rules<BootstrapOptions> = {
  resamples: whole(),
  confidence: share,
  seed: seedRule,
  method: oneOf(["percentile", "bca"]),
  strata: listOf({
    problem: (label) => (typeof label === "string" || typeof label === "number" ? undefined : "is no label"),
  }),
};

export const comparisonRules: Rules<ComparisonOptions> = { trials: whole(), seed: seedRule };
