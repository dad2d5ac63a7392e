import type { GpuContext } from "../webgpu-device.ts";
import type { MatvecTuning } from "./matvec.ts";
import type { WeightFormat } from "./weight-format.ts";

/** Outputs from which on a card is busy with four rows of integers a subgroup. */
const MANY_OUTPUTS = 8192;

/** How a product for few tokens is divided among subgroups: what was fastest on an H100 for the shapes of a model of 7 B. */
export function matvecTuning(gpu: GpuContext, { kind }: WeightFormat, outputs: number): MatvecTuning {
  const most = gpu.device.limits.maxComputeInvocationsPerWorkgroup;
  if (kind === "f16" || kind === "bf16" || kind === "f32")
    return { rows: 2, split: 2, threads: Math.min(256, most) };
  if (kind === "codebook") return { rows: 2, split: 1, threads: Math.min(256, most) };
  return { rows: outputs >= MANY_OUTPUTS ? 4 : 2, split: 1, threads: Math.min(512, most) };
}
