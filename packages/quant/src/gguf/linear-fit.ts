/**
 * For each group of weights a scale s, of either sign, such that s·code with codes −`levels` … `levels` − 1 comes near them.
 *
 * The method of ggml's K-quants (`make_qx_quants`): weights count by their square; for 19 trial scales about the one that puts the weight
 * of largest magnitude on code −`levels`, the codes are chosen, and for those codes the scale follows by weighted least squares; the trial that
 * explains most wins.
 *
 * @param scales one for each group, written
 */
export function fitLinear(
  weights: Float32Array,
  groupSize: number,
  levels: number,
  scales: Float32Array,
): void {
  for (let group = 0, begin = 0; group < scales.length; group++, begin += groupSize) {
    const end = begin + groupSize;
    let extreme = 0;
    for (let i = begin; i < end; i++)
      if (Math.abs(weights[i] as number) > Math.abs(extreme)) extreme = weights[i] as number;
    let best = 0;
    let explained = 0;
    for (let trial = -9; trial <= 9 && extreme !== 0; trial++) {
      const inverse = -(levels + 0.1 * trial) / extreme;
      let sumXL = 0;
      let sumLL = 0;
      for (let i = begin; i < end; i++) {
        const x = weights[i] as number;
        // Counted from the lowest code, so that truncation rounds.
        let code = (x * inverse + levels + 0.5) | 0;
        if (code > 2 * levels - 1) code = 2 * levels - 1;
        code -= levels;
        const wl = x * x * code;
        sumXL += wl * x;
        sumLL += wl * code;
      }
      if (sumLL > 0 && sumXL * sumXL > explained * sumLL) {
        best = sumXL / sumLL;
        explained = best * sumXL;
      }
    }
    scales[group] = best;
  }
}
