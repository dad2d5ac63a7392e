import { listOf, oneOf, type Rules, share, whole } from "@vlmopt/options";
import type { Clusters } from "./clusters.ts";
import type { Strata } from "./resample.ts";

export interface BootstrapOptions {
  /** 1000 unless told. */
  readonly resamples?: number;
  /** 0.95 unless told. */
  readonly confidence?: number;
  /** 12345 unless told. */
  readonly seed?: number;
  /** `percentile` unless told; `bca` corrects for bias and skew (Efron 1987) and costs a jackknife. */
  readonly method?: "percentile" | "bca";
  /** A label an item, such as its topic: items are then drawn from their own stratum. */
  readonly strata?: Strata;
  /** A label an item, such as its picture: items of one are drawn together, since they are right and wrong together. */
  readonly clusters?: Clusters;
}

export interface ComparisonOptions {
  /** Draws where not all can be gone through; 10,000 unless told. */
  readonly trials?: number;
  /** Of the draws; 12345 unless told. */
  readonly seed?: number;
  /** A label an item, such as its picture: outputs of one are swapped together. */
  readonly clusters?: Clusters;
}

/** Of the generator that resamples and draws come from, which has 32 bits of it. */
export const seedRule = whole({ from: 0, to: 2 ** 32 - 1 });

const labels = listOf({
  problem: (label) => (typeof label === "string" || typeof label === "number" ? undefined : "is no label"),
});

export const bootstrapRules: Rules<BootstrapOptions> = {
  resamples: whole(),
  confidence: share,
  seed: seedRule,
  method: oneOf(["percentile", "bca"]),
  strata: labels,
  clusters: labels,
};

export const comparisonRules: Rules<ComparisonOptions> = {
  trials: whole(),
  seed: seedRule,
  clusters: labels,
};
