// WebGPU in Node, by Dawn, which the optional package `webgpu` brings.
import { checkOptions } from "@vlmopt/options";
import { gpuRules } from "../../option-rules.ts";
import type { Executor } from "../executor.ts";
import { type GpuOptions, NoGpuError, platformsGpu } from "./webgpu-device.ts";
import { executorOn } from "./webgpu-executor.ts";

/**
 * Runs passes on a graphics card.
 * @throws {NoGpuError} where there is none, or the package `webgpu` is not installed
 */
export async function webgpuExecutor(options: GpuOptions = {}): Promise<Executor> {
  checkOptions("webgpuExecutor", options, gpuRules);
  const gpu = await nodesGpu();
  try {
    return await executorOn(gpu, options);
  } catch (error) {
    if (!(error instanceof NoGpuError)) throw error;
    const { message } = error;
    throw new NoGpuError(`${message}: check the card's Vulkan driver, or use the executor ort`, {
      cause: error,
    });
  }
}

/** Kernels keep within their buffers by themselves; checks of every index cost up to a fifth of a kernel's time. */
const DAWN_FEATURES = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia", "disable_robustness"];

// Once it is collected, the process dies at some later call.
let dawn: GPU | undefined;

/** @throws {NoGpuError} where the package `webgpu` is not installed */
export async function nodesGpu(): Promise<GPU> {
  const found = platformsGpu() ?? dawn;
  if (found !== undefined) return found;
  try {
    const { create, globals } = await import("webgpu");
    Object.assign(globalThis, globals);
    // Times need not be rounded where no page asks for them.
    const disabled = "disable-dawn-features=timestamp_quantization";
    dawn = create([`enable-dawn-features=${DAWN_FEATURES.join(",")}`, disabled]);
    return dawn;
  } catch (error) {
    throw new NoGpuError(
      "the package webgpu, which brings WebGPU to Node, is not there: install it, or use the executor ort",
      { cause: error },
    );
  }
}
