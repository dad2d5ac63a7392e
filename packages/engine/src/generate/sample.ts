import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

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

/** Draws a token from logits `[vocabSize]`. */
export type Sampler = (logits: Float32Array) => number;

/** @throws {RangeError} where a number is out of its range */
export function sampler({ temperature = 0, topP = 1, topK, seed = 0 }: SamplingOptions = {}): Sampler {
  assertRange("temperature", temperature, temperature >= 0, "at least 0");
  assertRange("topP", topP, topP > 0 && topP <= 1, "above 0 and at most 1");
  assertRange(
    "topK",
    topK ?? 1,
    topK === undefined || (Number.isInteger(topK) && topK > 0),
    "a whole number above 0",
  );
  if (temperature === 0) return likeliest;
  const random = xoroshiro128plus(seed);
  return (logits) => {
    const order = Array.from(logits.keys()).sort((a, b) => (logits[b] as number) - (logits[a] as number));
    const largest = logits[order[0] as number] as number;
    const kept = order.slice(0, topK).map((token) => ({
      token,
      weight: Math.exp(((logits[token] as number) - largest) / temperature),
    }));
    const total = kept.reduce((sum, { weight }) => sum + weight, 0);
    const nucleus: typeof kept = [];
    let reached = 0;
    for (const choice of kept) {
      nucleus.push(choice);
      reached += choice.weight;
      if (reached >= topP * total) break;
    }
    let left = uniformFloat64(random) * reached;
    for (const { token, weight } of nucleus) {
      left -= weight;
      if (left < 0) return token;
    }
    return nucleus.at(-1)?.token ?? 0;
  };
}

/** The token of the largest logit; of equal ones, the first. */
export function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++) {
    if ((logits[token] as number) > (logits[best] as number)) best = token;
  }
  return best;
}

function assertRange(name: string, value: number, isRight: boolean, wanted: string): void {
  if (!isRight) throw new RangeError(`${name} is ${value}; it must be ${wanted}`);
}
