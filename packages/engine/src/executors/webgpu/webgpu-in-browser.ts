import type { Executor } from "../executor.ts";
import { type GpuOptions, NoGpuError, platformsGpu } from "./webgpu-device.ts";
import { executorOn } from "./webgpu-executor.ts";

/**
 * Runs passes on the visitor's graphics card.
 * @throws {NoGpuError} where there is none, or the browser does not give it to pages
 */
export async function webgpuExecutor(options: GpuOptions = {}): Promise<Executor> {
  const gpu = platformsGpu();
  if (gpu === undefined)
    throw new NoGpuError("this browser gives no graphics card to pages: it has no WebGPU");
  return executorOn(gpu, options);
}
