/** What is searched: groups of a matrix `[rows, columns]`. */
export interface WeightedScalesRequest {
  readonly weight: Float32Array;
  readonly rows: number;
  readonly columns: number;
  readonly groupSize: number;
  /** Numbers that codes stand for before they are scaled, ascending. */
  readonly levels: Float32Array;
  /** Of each column, how much an error there counts: E[x²] of what it is multiplied by. */
  readonly importance: ArrayLike<number>;
  /** Whether groups have a zero too, one of the levels, which is taken from the level of each code. Otherwise it is `zero`. */
  readonly zeroPoints: boolean;
  /** Level that stands for 0 where groups have none of their own; else the least that one may have (0 unless told). */
  readonly zero?: number;
}

export interface WeightedScales {
  /** `[rows, groups]`, of either sign. */
  readonly scales: Float32Array;
  /** `[rows, groups]`, levels. */
  readonly zeros: Float32Array | undefined;
}

/** Shares of the range that are tried, from the whole one down. */
const SHARES = 24;
/** The least share by the number of levels: few of them are better used on the many small weights. */
const leastShare = (levels: number) => (levels <= 4 ? 0.3 : levels <= 8 ? 0.45 : 0.6);

/**
 * For each group the scale (and zero) of least Σ importance·(weight − scale·(level − zero))², as importance matrices have it: candidate
 * scales propose codes, for which the best scale has a closed form, Σ i·w·u / Σ i·u². Of all proposals the one that explains most wins. The range of the
 * weights, as rounding to nearest takes it, is one of the candidates, so that nothing is worse than that.
 */
export function weightedScales(request: WeightedScalesRequest): WeightedScales {
  const { weight, rows, columns, groupSize, levels, importance, zeroPoints, zero = 0 } = request;
  const groups = Math.ceil(columns / groupSize);
  const scales = new Float32Array(rows * groups);
  const zeros = zeroPoints ? new Float32Array(rows * groups) : undefined;
  const [lowest, highest] = [levels[0] as number, levels[levels.length - 1] as number];
  const least = leastShare(levels.length);
  const group = groupOf(groupSize, levels);
  for (let row = 0; row < rows; row++) {
    for (let g = 0; g < groups; g++) {
      const place = row * groups + g;
      const [low, high] = group.load(weight, row * columns, importance, g * groupSize, columns);
      if (zeros !== undefined) {
        const range = high - low;
        if (range === 0) continue;
        const natural = Math.round((-low / range) * (highest - lowest));
        const nearest = Math.max(zero, natural);
        // A zero that was raised leaves fewer levels above it.
        const full = natural < zero ? high / (highest - zero) : range / (highest - lowest);
        group.begin(full, nearest);
        const around = levels.length <= 8 ? 2 : 1;
        for (let n = 0; n < SHARES; n++) {
          const scale = full * (1 - (n / SHARES) * (1 - least));
          for (
            let at = Math.max(zero, nearest - around);
            at <= Math.min(levels.length - 1, nearest + around);
            at++
          )
            group.propose(scale, at);
        }
        zeros[place] = group.zero();
      } else {
        const extreme = high > -low ? high : low;
        if (extreme === 0) continue;
        // The extreme weight on the end that reaches further from zero, or on the other.
        const [up, down] = [extreme / (highest - zero), extreme / (lowest - zero)];
        group.begin(Math.max(up, down), zero);
        group.propose(up, zero);
        group.propose(down, zero);
        for (let n = 0; n < SHARES; n++) {
          const share = 1.1 - (n / SHARES) * (1.1 - least);
          group.propose(up * share, zero);
          group.propose(down * share, zero);
        }
      }
      scales[place] = group.scale();
    }
  }
  return { scales, zeros };
}

/** One group at a time, in memory of its own. */
function groupOf(groupSize: number, levels: Float32Array) {
  const weights = new Float64Array(groupSize);
  const counts = new Float64Array(groupSize);
  const top = levels.length - 1;
  const isWhole = levels.every((level, code) => level === code);
  const thresholds = Float64Array.from(
    { length: top },
    (_, i) => ((levels[i] as number) + (levels[i + 1] as number)) / 2,
  );
  let size = 0;
  let best = 0;
  let bestScale = 0;
  let bestZero = 0;
  return {
    load(weight: Float32Array, row: number, importance: ArrayLike<number>, first: number, columns: number) {
      size = Math.min(groupSize, columns - first);
      let [low, high] = [0, 0];
      for (let i = 0; i < size; i++) {
        const w = weight[row + first + i] as number;
        weights[i] = w;
        counts[i] = importance[first + i] as number;
        if (w < low) low = w;
        else if (w > high) high = w;
      }
      return [low, high] as const;
    },
    /** Taken where no proposal explains anything. */
    begin(scale: number, zero: number) {
      best = 0;
      bestScale = scale;
      bestZero = zero;
    },
    /** Codes by a scale and a zero, and what the best scale for them explains. */
    propose(scale: number, zero: number) {
      const found = isWhole
        ? explainedByWhole(weights, counts, size, 1 / scale, zero, top)
        : explainedByLevels(weights, counts, size, 1 / scale, zero, levels, thresholds);
      // Readers of codebooks take a scale for a magnitude.
      if (!(found > best) || sums.products > 0 !== scale > 0 || (scale < 0 && !isWhole)) return;
      best = found;
      bestScale = sums.products / sums.squares;
      bestZero = zero;
    },
    scale: () => bestScale,
    zero: () => bestZero,
  };
}

/** Of the last proposal: Σ i·w·u and Σ i·u². */
const sums = { products: 0, squares: 0 };

function explainedByWhole(
  weights: Float64Array,
  counts: Float64Array,
  size: number,
  inverse: number,
  zero: number,
  top: number,
): number {
  let products = 0;
  let squares = 0;
  const half = zero + 0.5;
  for (let i = 0; i < size; i++) {
    const w = weights[i] as number;
    // Below 0 truncation may give 0 too, which is what it is clamped to.
    let level = (w * inverse + half) | 0;
    if (level < 0) level = 0;
    else if (level > top) level = top;
    const u = level - zero;
    const counted = (counts[i] as number) * u;
    products += counted * w;
    squares += counted * u;
  }
  sums.products = products;
  sums.squares = squares;
  return (products * products) / squares;
}

function explainedByLevels(
  weights: Float64Array,
  counts: Float64Array,
  size: number,
  inverse: number,
  zero: number,
  levels: Float32Array,
  thresholds: Float64Array,
): number {
  let products = 0;
  let squares = 0;
  for (let i = 0; i < size; i++) {
    const w = weights[i] as number;
    const scaled = w * inverse + zero;
    let rank = 0;
    for (let k = 0; k < thresholds.length; k++) if (scaled > (thresholds[k] as number)) rank++;
    const u = (levels[rank] as number) - zero;
    const counted = (counts[i] as number) * u;
    products += counted * w;
    squares += counted * u;
  }
  sums.products = products;
  sums.squares = squares;
  return (products * products) / squares;
}
