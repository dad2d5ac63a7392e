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
}

/**
 * How a product for few tokens is divided among subgroups: what was fastest on an H100 for the shapes of a model of 7 B.
 * @param around what each workgroup does besides: two products, or x being put together, which fewer of them should repeat
 */
export function matvecTuning(
  { device }: GpuContext,
  { kind }: WeightFormat,
  { gated, joins }: { readonly gated: boolean; readonly joins: boolean },
): MatvecTuning {
  const isDense = kind === "f16" || kind === "bf16" || kind === "f32";
  const wanted = !joins && (isDense || (kind === "codebook" && gated)) ? 256 : 512;
  const threads = Math.min(wanted, device.limits.maxComputeInvocationsPerWorkgroup);
  return { rows: 2, split: isDense ? 2 : 1, threads };
}
