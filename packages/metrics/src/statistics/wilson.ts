import { checkValue, finite, share as shareRule, whole } from "@vlmopt/options";
import { normalQuantile } from "./normal.ts";

/** The interval of a share of which `hits` of `count` were seen (Wilson 1927): it stays within 0 and 1, and is not empty where all were hits. */
export function wilsonInterval(
  hits: number,
  count: number,
  confidence: number,
): { low: number; high: number } {
  checkValue("wilsonInterval", "count", count, whole());
  checkValue("wilsonInterval", "hits", hits, finite({ from: 0, to: count }));
  checkValue("wilsonInterval", "confidence", confidence, shareRule);
  const z = normalQuantile((1 + confidence) / 2);
  const share = hits / count;
  const shrink = 1 + z ** 2 / count;
  const middle = (share + z ** 2 / (2 * count)) / shrink;
  const half = (z / shrink) * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2));
  return {
    low: hits === 0 ? 0 : Math.max(0, middle - half),
    high: hits === count ? 1 : Math.min(1, middle + half),
  };
}
