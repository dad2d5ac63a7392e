import type { Estimate, SpeedFigures } from "../records/run-summary.ts";
import { medianInterval } from "./median-interval.ts";

/** One measured request: milliseconds to its first token and to its last, and how many it made. */
export interface SpeedSample {
  readonly ttft: number;
  readonly latency: number;
  readonly newTokens: number;
}

/**
 * Medians of requests with their intervals; null without any.
 * @param loads milliseconds
 * @param atOnce requests that ran at once, and share the time
 */
export function speedFigures(
  loads: readonly number[],
  samples: readonly SpeedSample[],
  { atOnce = 1, confidence }: { readonly atOnce?: number; readonly confidence: number },
): SpeedFigures | null {
  const median = (values: readonly number[]) => medianInterval(values, confidence);
  const loadTime = median(loads);
  const ttft = median(samples.map((sample) => sample.ttft));
  const latency = median(samples.map((sample) => sample.latency));
  const tokensPerSecond = median(
    samples.map((sample) => (1000 * atOnce * sample.newTokens) / sample.latency),
  );
  if (!loadTime || !ttft || !latency || !tokensPerSecond) return null;
  return { loadTime, ttft, tpot: tpotOf(samples, confidence), latency, tokensPerSecond };
}

/** The time of the tokens after the first by their number, each request one sample: a server may send several at once. */
function tpotOf(samples: readonly SpeedSample[], confidence: number): Estimate | null {
  const each = samples
    .filter(({ newTokens }) => newTokens > 1)
    .map(({ latency, ttft, newTokens }) => (latency - ttft) / (newTokens - 1));
  return medianInterval(each, confidence) ?? null;
}
