// Types of the constants that WebGPU puts into the global scope.
import type {} from "webgpu";
import { BufferPool } from "./buffer-pool.ts";
import { PassTimer } from "./pass-timer.ts";
import { ReadQueue } from "./read-queue.ts";

/** A device, and what of it decides which kernels run on it. */
export interface GpuContext {
  readonly device: GPUDevice;
  readonly pool: BufferPool;
  readonly reads: ReadQueue;
  readonly timer: PassTimer | undefined;
  /** For messages. */
  readonly name: string;
  /** Arithmetic of 16 bits in shaders. */
  readonly hasF16: boolean;
  /** Products of 16 × 16 matrices of F16 with sums of F32. */
  readonly hasMatrices: boolean;
  /** Lanes that a subgroup has. */
  readonly lanes: number;
}

export interface GpuOptions {
  /** False keeps caches in F32 and multiplies in F32, whatever the card can do. Default true. */
  readonly f16?: boolean;
  /** False refuses a program that stands in for a graphics card. Default true. */
  readonly software?: boolean;
  /** Whether to keep account of how long passes take; default false. */
  readonly timed?: boolean;
}

/** There is no graphics card that can be used, or it has too little memory. */
export class NoGpuError extends Error {
  override readonly name = "NoGpuError";
}

const WANTED_FEATURES = [
  "subgroups",
  "shader-f16",
  "timestamp-query",
  "chromium-experimental-subgroup-matrix",
] as const;

const WANTED_LIMITS = [
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
] as const;

/** WebGPU where it belongs to the platform, as in browsers. */
export function platformsGpu(): GPU | undefined {
  return (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
}

function nameOf({ description, vendor, architecture, device }: GPUAdapterInfo): string {
  return description || [vendor, architecture, device].filter(Boolean).join(" ");
}

/** Whether a program stands in for a graphics card. */
export function isSoftware({ info }: GPUAdapter): boolean {
  return info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(`${nameOf(info)} ${info.architecture}`);
}

/**
 * Opens the best card that WebGPU finds.
 * @throws {NoGpuError}
 */
export async function openGpu(gpu: GPU, options: GpuOptions = {}): Promise<GpuContext> {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new NoGpuError("WebGPU finds no graphics card");
  const { info, features } = adapter;
  const name = nameOf(info);
  if (isSoftware(adapter) && options.software === false) {
    throw new NoGpuError(`${name} is a program that stands in for a graphics card`);
  }
  const { subgroupMinSize: lanes, subgroupMaxSize } = info;
  if (!features.has("subgroups") || lanes === undefined || lanes !== subgroupMaxSize) {
    throw new NoGpuError(`${name} has no subgroups of one size, which the kernels are made of`);
  }
  const device = await adapter.requestDevice({
    requiredFeatures: WANTED_FEATURES.filter((feature) => features.has(feature)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(WANTED_LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  const isTimed = options.timed === true && features.has("timestamp-query");
  const hasF16 = features.has("shader-f16") && options.f16 !== false;
  return {
    device,
    pool: new BufferPool(device),
    reads: new ReadQueue({ pauses: gpu !== platformsGpu() }),
    timer: isTimed ? new PassTimer(device) : undefined,
    name,
    hasF16,
    hasMatrices: hasF16 && features.has("chromium-experimental-subgroup-matrix"),
    lanes,
  };
}
