import type { GpuContext } from "../webgpu-device.ts";
import type { MatvecTuning } from "./matvec.ts";

/** How a product for few tokens is divided among subgroups. */
export function matvecTuning(gpu: GpuContext): MatvecTuning {
  const threads = Math.min(256, gpu.device.limits.maxComputeInvocationsPerWorkgroup);
  return { rows: 4, split: 1, threads };
}
