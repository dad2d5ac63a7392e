import type { Stage, TensorSpec } from "@vlmopt/tensor-io";
import { type Statistic, segmentStatistics, statisticSizes } from "./segment-statistics.ts";

export interface StatisticsOptions {
  readonly statistic: Statistic;
  /** Segments of one row; 1 for statistics of whole rows. */
  readonly segmentsPerRow: number;
  /** Adds the rows up, so that one figure for each segment of a row is left: for sums over columns. */
  readonly addRows: boolean;
}

/** Stage module of scoring: F64 statistics of a matrix, `[rows·segmentsPerRow, size]`, or `[segmentsPerRow, size]` with rows added. */
export function createStage(input: TensorSpec, options: unknown): Stage {
  const { statistic, segmentsPerRow, addRows } = options as StatisticsOptions;
  const length = (input.shape[1] ?? 1) / segmentsPerRow;
  const sums = new Float64Array(segmentsPerRow * statisticSizes[statistic]);
  const bytesOf = (values: Float64Array) =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return {
    push(rows) {
      const statistics = segmentStatistics(rows, input.dtype, length, statistic);
      if (!addRows) return [bytesOf(statistics)];
      for (let i = 0; i < statistics.length; i++)
        sums[i % sums.length] = (sums[i % sums.length] ?? 0) + (statistics[i] ?? 0);
      return [new Uint8Array(0)];
    },
    finish: () => [addRows ? bytesOf(sums) : new Uint8Array(0)],
  };
}
