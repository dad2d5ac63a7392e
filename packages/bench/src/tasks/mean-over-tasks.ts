import type { CorpusResult } from "@vlmopt/metrics";
import type { Measured } from "../run/quality.ts";

/** A task's figure that stands for it. */
export interface TaskFigure {
  readonly measured: Measured;
  readonly figure: string;
  /** Its value for a model that is always right. */
  readonly full: number;
}

/**
 * The mean over tasks of the figures that stand for them, as shares of their full values. Statistics of an item fill its task's place in a longer vector, so that
 * resamples, floors and tests go through all tasks together.
 * @returns `strata` too: items are drawn from their own task
 */
export function meanOverTasks(
  parts: readonly TaskFigure[],
): Measured & { readonly strata: readonly number[] } {
  const sizes = parts.map(({ measured: { result } }) => result.statistics[0]?.length ?? 0);
  // Behind each task's statistics stands how many items they are of.
  const starts = sizes.map((_, t) => sizes.slice(0, t).reduce((sum, size) => sum + size + 1, 0));
  const total = sizes.reduce((sum, size) => sum + size + 1, 0);
  const aggregate = (sum: Float64Array) => {
    const shares = parts.map(({ measured, figure, full }, t) => {
      const start = starts[t] ?? 0;
      const end = start + (sizes[t] ?? 0);
      const count = sum[end] ?? 0;
      return (measured.aggregation.aggregate(sum.subarray(start, end), count)[figure] ?? 0) / full;
    });
    return { mean: shares.reduce((all, share) => all + share, 0) / parts.length };
  };
  const statistics = parts.flatMap(({ measured }, t) =>
    measured.result.statistics.map((vector) => {
      const padded = new Float64Array(total);
      padded.set(vector, starts[t] ?? 0);
      padded[(starts[t] ?? 0) + vector.length] = 1;
      return padded;
    }),
  );
  const sum = new Float64Array(total);
  for (const vector of statistics) for (let k = 0; k < total; k++) sum[k] = (sum[k] ?? 0) + (vector[k] ?? 0);
  const result: CorpusResult = {
    signature: `mean|of:${parts.map(({ measured, figure }) => `${measured.task ?? ""}/${figure}`).join("+")}`,
    aggregate: aggregate(sum),
    items: [],
    statistics,
  };
  return {
    name: "mean",
    aggregation: { figures: ["mean"], aggregate },
    result,
    clusters: parts.flatMap(
      ({ measured: { clusters, result } }) => clusters ?? result.statistics.map((_, i) => i),
    ),
    strata: parts.flatMap(({ measured }, t) => measured.result.statistics.map(() => t)),
  };
}
