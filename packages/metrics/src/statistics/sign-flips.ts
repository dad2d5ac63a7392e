/** Sums that are held at once: those of 18 differences that are all unlike. */
const MOST_SUMS = 2 ** 18;
/** Sums that are made in all: those of 8,000 differences of one size. */
const MOST_STEPS = 2 ** 25;
/** Sums that differ by less than this share of all differences' size are one sum: adding in another order is no difference. */
const TOLERANCE = 1e-10;

/**
 * The two-sided p-value of paired differences by all ways to flip their signs (Fisher 1935): the share of ways that bring their sum at
 * least as far from 0. Of differences of one size it is McNemar's exact test. Undefined where there are too many sums to go through.
 */
export function signFlipP(differences: Float64Array): number | undefined {
  const reach = differences.reduce((total, x) => total + Math.abs(x), 0);
  const tolerance = TOLERANCE * reach;
  const sizes = differences.map(Math.abs).filter((size) => size > tolerance);
  let signed: SignedSums = { sums: Float64Array.of(0), chances: Float64Array.of(1) };
  let steps = 0;
  for (const size of sizes) {
    steps += 2 * signed.sums.length;
    if (signed.sums.length > MOST_SUMS || steps > MOST_STEPS) return undefined;
    signed = withOneMore(signed, size, tolerance);
  }
  const seen = Math.abs(differences.reduce((total, x) => total + x, 0)) - 2 * tolerance;
  const p = signed.chances.reduce(
    (total, chance, i) => (Math.abs(signed.sums[i] as number) >= seen ? total + chance : total),
    0,
  );
  return Math.min(1, p);
}

/** Sums of sizes with signs, rising, and the chance of each. */
interface SignedSums {
  readonly sums: Float64Array;
  readonly chances: Float64Array;
}

/** Merges the sums less the size and the sums more the size; both rise. */
function withOneMore({ sums, chances }: SignedSums, size: number, tolerance: number): SignedSums {
  const next = { sums: new Float64Array(2 * sums.length), chances: new Float64Array(2 * sums.length) };
  let [less, more, length] = [0, 0, 0];
  while (less < sums.length || more < sums.length) {
    const isLess = less < sums.length && (sums[less] as number) - size <= (sums[more] as number) + size;
    const sum = isLess ? (sums[less] as number) - size : (sums[more] as number) + size;
    const chance = (isLess ? (chances[less++] as number) : (chances[more++] as number)) / 2;
    if (length > 0 && sum - (next.sums[length - 1] as number) <= tolerance) {
      next.chances[length - 1] = (next.chances[length - 1] as number) + chance;
    } else {
      next.sums[length] = sum;
      next.chances[length++] = chance;
    }
  }
  return { sums: next.sums.subarray(0, length), chances: next.chances.subarray(0, length) };
}
