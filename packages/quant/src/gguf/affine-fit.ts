/** Trial steps of the search: the range is divided into `levels`, then into `levels − 1` to `levels + 1` parts, in tenths. */
const TRIALS = 22;

/**
 * For each group of weights a scale s ≥ 0 and an offset m ≥ 0 such that s·code − m, with codes 0 … `levels`, comes near them.
 *
 * The method of ggml's K-quants (`make_qkx2_quants`): weights count by importance |w| + rms(group), since large ones move the output
 * most; for a grid of step sizes the codes are chosen, counted from the best offset so far, and for those codes scale and offset follow by
 * weighted least squares; the trial of least error wins. At the least-squares solution the error is Σw·x² less what the fit explains, so no
 * trial needs a second pass over the group.
 *
 * @param scales,offsets one for each group, written
 */
export function fitAffine(
  weights: Float32Array,
  groupSize: number,
  levels: number,
  scales: Float32Array,
  offsets: Float32Array,
): void {
  const importance = new Float64Array(groupSize);
  const weighted = new Float64Array(groupSize);
  for (let group = 0, begin = 0; group < scales.length; group++, begin += groupSize) {
    const end = begin + groupSize;
    let min = 0;
    let max = Number.NEGATIVE_INFINITY;
    let squares = 0;
    for (let i = begin; i < end; i++) {
      const x = weights[i] as number;
      if (x < min) min = x;
      if (x > max) max = x;
      squares += x * x;
    }
    if (max === min) {
      scales[group] = 0;
      offsets[group] = -min;
      continue;
    }
    const rms = Math.sqrt(squares / groupSize);
    let sumW = 0;
    let sumX = 0;
    for (let i = 0; i < groupSize; i++) {
      const x = weights[begin + i] as number;
      const w = rms + Math.abs(x);
      importance[i] = w;
      weighted[i] = w * x;
      sumW += w;
      sumX += w * x;
    }
    let bestScale = (max - min) / levels;
    let bestMin = min;
    let explained = Number.NEGATIVE_INFINITY;
    for (let trial = 0; trial < TRIALS; trial++) {
      const from = bestMin;
      const inverse = (trial === 0 ? levels : levels - 1 + 0.1 * (trial - 1)) / (max - from);
      let sumL = 0;
      let sumLL = 0;
      let sumXL = 0;
      for (let i = 0; i < groupSize; i++) {
        let code = (((weights[begin + i] as number) - from) * inverse + 0.5) | 0;
        if (code < 0) code = 0;
        else if (code > levels) code = levels;
        const wl = (importance[i] as number) * code;
        sumL += wl;
        sumLL += wl * code;
        sumXL += (weighted[i] as number) * code;
      }
      const determinant = sumW * sumLL - sumL * sumL;
      if (determinant <= 0) continue;
      let scale = (sumW * sumXL - sumX * sumL) / determinant;
      let base = (sumLL * sumX - sumL * sumXL) / determinant;
      if (base > 0) {
        // Offsets only lower: the best line through the origin takes its place.
        base = 0;
        scale = sumXL / sumLL;
      }
      const gain = scale * sumXL + base * sumX;
      if (gain > explained) {
        explained = gain;
        bestScale = scale;
        bestMin = base;
      }
    }
    scales[group] = bestScale;
    offsets[group] = -bestMin;
  }
}
