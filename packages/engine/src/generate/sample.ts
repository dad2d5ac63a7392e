import { checkOptions } from "@vlmopt/options";
import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { mersenne } from "pure-rand/generator/mersenne";
import { samplingRules } from "../option-rules.ts";

export interface SamplingOptions {
  /** Divides logits before they become probabilities; 0, unless told, always takes the likeliest token. */
  readonly temperature?: number;
  /** Only the likeliest tokens that together reach this probability are drawn from (arXiv:1904.09751); 1 unless told. */
  readonly topP?: number;
  /** Only so many of the likeliest tokens are drawn from; all unless told. */
  readonly topK?: number;
  /** The same seed draws the same tokens; 0 unless told. */
  readonly seed?: number;
}

/** All that was told or goes without saying, in its range; `topK` is Infinity for all tokens. */
export type Sampler = Required<SamplingOptions>;

/** @throws {RangeError} where a number is out of its range */
export function sampler(options: SamplingOptions = {}): Sampler {
  const { temperature = 0, topP = 1, topK = Number.POSITIVE_INFINITY, seed = 0 } = options;
  checkOptions("sampling", options, samplingRules);
  return { temperature, topP, topK, seed };
}

/**
 * The numbers from 0 to below 1 that so many tokens are drawn by, one for each whatever its logits are: those of
 * `torch.manual_seed(seed); torch.rand(count)`.
 */
export function uniformNumbers(seed: number, count: number): Float32Array {
  const random = mersenne(seed);
  return Float32Array.from({ length: count }, () => uniformFloat32(random));
}

/**
 * Draws a token from logits `[vocabSize]`: the first whose probability, with those of tokens before it, is above `uniform`. Of equally
 * likely tokens `topK` and `topP` keep the first ones. A token of logit −∞ is never drawn, unless all are.
 */
export function drawToken(
  logits: Float32Array,
  { temperature, topK, topP }: Omit<Sampler, "seed">,
  uniform: number,
): number {
  const best = likeliest(logits);
  if (temperature === 0) return best;
  const largest = logits[best] as number;
  const weightOf = (logit: number) =>
    logit === Number.NEGATIVE_INFINITY ? 0 : Math.exp((logit - largest) / temperature);

  let kept = logits;
  let cut: Cut = { least: Number.NEGATIVE_INFINITY, ties: Number.POSITIVE_INFINITY };
  if (topK < logits.length) {
    kept = descending(logits).subarray(0, topK);
    cut = cutBehind(kept, kept.length);
  }
  if (topP < 1) {
    const wanted = topP * kept.reduce((sum, logit) => sum + weightOf(logit), 0);
    // Those below weigh less than 1 - topP together, the largest one alone 1, so that the others suffice.
    const needed = largest + temperature * Math.log((1 - topP) / kept.length);
    const candidates = descending(kept.filter((logit) => logit >= needed));
    let [count, reached] = [0, 0];
    do reached += weightOf(candidates[count++] as number);
    while (count < candidates.length && reached < wanted);
    cut = cutBehind(candidates, count);
  }

  let { ties } = cut;
  let total = 0;
  const weights = new Float64Array(logits.length);
  for (const [token, logit] of logits.entries()) {
    if (logit < cut.least || (logit === cut.least && ties-- <= 0)) continue;
    weights[token] = weightOf(logit);
    total += weights[token] as number;
  }
  let drawn = 0;
  let reached = 0;
  for (const [token, weight] of weights.entries()) {
    if (weight === 0) continue;
    drawn = token;
    reached += weight;
    if (reached > uniform * total) break;
  }
  return drawn;
}

/** The smallest logit that is drawn from, and how many tokens that have it. */
interface Cut {
  readonly least: number;
  readonly ties: number;
}

/** @param logits the largest first */
function cutBehind(logits: Float32Array, count: number): Cut {
  const least = logits[count - 1] as number;
  let ties = 1;
  while (ties < count && logits[count - 1 - ties] === least) ties++;
  return { least, ties };
}

function descending(logits: Float32Array): Float32Array {
  return logits.slice().sort().reverse();
}

/** The token of the largest logit; of equal ones, the first. */
function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++) {
    if ((logits[token] as number) > (logits[best] as number)) best = token;
  }
  return best;
}
