// A graphics card, by navigator.gpu in a browser and by Dawn (the package `webgpu`) in Node.
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

/** @throws {NoGpuError} */
export async function openGpu(options: GpuOptions = {}): Promise<GpuContext> {
  const gpu = await webgpu();
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) {
    throw new NoGpuError("WebGPU finds no graphics card: install its Vulkan driver, or use the executor ort");
  }
  const { info, features } = adapter;
  const name = info.description || [info.vendor, info.architecture, info.device].filter(Boolean).join(" ");
  const isSoftware = info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(`${name} ${info.architecture}`);
  if (isSoftware && options.software === false) {
    throw new NoGpuError(`${name} is a program that stands in for a graphics card: use the executor ort`);
  }
  const { subgroupMinSize: lanes, subgroupMaxSize } = info;
  if (!features.has("subgroups") || lanes === undefined || lanes !== subgroupMaxSize) {
    throw new NoGpuError(
      `${name} has no subgroups of one size, which the kernels are made of: use the executor ort`,
    );
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
    reads: new ReadQueue({ pauses: gpu === dawn }),
    timer: isTimed ? new PassTimer(device) : undefined,
    name,
    hasF16,
    hasMatrices: hasF16 && features.has("chromium-experimental-subgroup-matrix"),
    lanes,
  };
}

/** Kernels keep within their buffers by themselves; checks of every index cost up to a fifth of a kernel's time. */
const DAWN_FEATURES = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia", "disable_robustness"];

// Once it is collected, the process dies at some later call.
let dawn: GPU | undefined;

async function webgpu(): Promise<GPU> {
  const found = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu ?? dawn;
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
