import type { GpuContext } from "../webgpu-device.ts";
import type { WeightFormat } from "./weight-format.ts";

/** Units of a large card that a workgroup runs on: an H100's. */
export const UNITS = 132;

export interface MatvecTuning {
  /** Rows of W that a subgroup multiplies at once. */
  readonly rows: number;
  /** Subgroups that share a row. */
  readonly split: number;
  readonly threads: number;
  /** Workgroups that a unit has at once, at most: they take other rows when they are done. */
  readonly perUnit: number;
}

/** Lanes of a subgroup of the card that this was measured on. */
const LANES = 32;
/** Rows of W for each unit from which on there are many, and up to which there are few. */
const MANY = 90;
const FEW = 16;
/** Steps of a subgroup through a row from which on it is long, and up to which it is short. */
const LONG = 8;
const SHORT = 2;

/**
 * How a product for few tokens is divided among subgroups: within some percent of what was fastest on an H100 for the shapes of models of
 * 2 to 7 B (docs/architecture.md). Many rows keep several small workgroups of a unit busy by turns; fewer are one for each subgroup of a
 * large workgroup, which the least time goes by for x to get there; what leaves units idle so is divided further.
 * @param rows of W, those of a gate counted too
 */
export function matvecTuning(
  { device }: GpuContext,
  { kind, values }: WeightFormat,
  { rows, k, gated }: { readonly rows: number; readonly k: number; readonly gated: boolean },
): MatvecTuning {
  const steps = Math.ceil(k / values / LANES);
  const wanted = (): MatvecTuning => {
    if (kind === "f16" || kind === "bf16" || kind === "f32")
      return { rows: 2, split: 4, threads: 512, perUnit: 2 };
    if (rows > MANY * UNITS)
      return kind === "codebook"
        ? { rows: 2, split: steps > SHORT ? 1 : 2, threads: 256, perUnit: 3 }
        : { rows: 4, split: 1, threads: 256, perUnit: 3 };
    if (gated) return { rows: 2, split: 1, threads: 512, perUnit: 1 };
    if (rows > FEW * UNITS) return { rows: 1, split: 1, threads: 1024, perUnit: 1 };
    return steps < LONG
      ? { rows: 1, split: 1, threads: 512, perUnit: 1 }
      : { rows: 1, split: 2, threads: 1024, perUnit: 1 };
  };
  const { threads, perUnit, ...shares } = wanted();
  const possible = Math.min(threads, device.limits.maxComputeInvocationsPerWorkgroup);
  return { ...shares, threads: possible, perUnit: (perUnit * threads) / possible };
}
