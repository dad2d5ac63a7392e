import { checkValue, finite, share as shareRule } from "@vlmopt/options";
import { normalQuantile } from "./normal.ts";

/**
 * The interval of a share of which `hits` of `count` were seen, whole numbers but for clusters (Agresti and Coull 1998). Of 95 %, it holds shares from .02 to .98 in 92.6 %
 * or more from 20 items on, by the binomial distribution; Wilson's, which has the same middle and is shorter, in 89.4 %.
 */
export function agrestiCoullInterval(
  hits: number,
  count: number,
  confidence: number,
): { low: number; high: number } {
  checkValue("agrestiCoullInterval", "count", count, finite({ above: 0 }));
  checkValue("agrestiCoullInterval", "hits", hits, finite({ from: 0, to: count }));
  checkValue("agrestiCoullInterval", "confidence", confidence, shareRule);
  const z = normalQuantile((1 + confidence) / 2);
  const more = count + z ** 2;
  const middle = (hits + z ** 2 / 2) / more;
  const half = z * Math.sqrt((middle * (1 - middle)) / more);
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
