import type { CacheSpec, ForwardPass } from "@vlmopt/models";
import { releaseOnce } from "../../release-once.ts";
import type { ModelWeights } from "../../weights/model-weights.ts";
import {
  assertEqualLengths,
  type CacheStep,
  type Executor,
  isDeviceTensor,
  type KvCache,
  type PassInput,
  type PrepareOptions,
  tokenBytes,
} from "../executor.ts";
import { recordPass } from "../recorded-pass.ts";
import { countBuffers } from "./buffer-count.ts";
import { CommandQueue } from "./command-queue.ts";
import { type FusedPass, fusePass } from "./fused-pass.ts";
import { gpuLinearAlgebra } from "./gpu-linear-algebra.ts";
import {
  bufferBytes,
  type Command,
  encode,
  type Pipelines,
  type Placed,
  PlanBuilder,
  pipelinesOf,
  sizeOf,
} from "./gpu-plan.ts";
import { type GpuProbes, gpuProbes } from "./gpu-probes.ts";
import { createTensor, type GpuTensor } from "./gpu-tensor.ts";
import { type GpuWeights, gpuWeights } from "./gpu-weights.ts";
import { cacheType } from "./kernels/attention.ts";
import { lowerPass, type PassWeights, type PlanCache } from "./lower-pass.ts";
import { tokenChooser } from "./token-chooser.ts";
import { type GpuContext, type GpuOptions, openGpu } from "./webgpu-device.ts";

interface GpuCache extends KvCache, PlanCache {
  /** Plans that attend to this cache, latest last. */
  readonly plans: Map<string, Plan>;
}

interface Plan {
  readonly inputs: Readonly<Record<string, GPUBuffer>>;
  readonly commands: readonly Command[];
  readonly outputs: Readonly<Record<string, Placed>>;
  readonly buffers: readonly GPUBuffer[];
}

/** Plans of one pass that are kept: that of the prompt, and that of one more token. */
const PLANS_KEPT = 2;

/**
 * Runs passes on a graphics card: a pass is written down once, for each shape of its inputs turned into dispatches of fused kernels, and
 * replayed.
 * @throws {NoGpuError} where there is none
 */
export async function executorOn(webgpu: GPU, options: GpuOptions): Promise<Executor> {
  const gpu = await openGpu(webgpu, options);
  const peakBytes = countBuffers(gpu.device);
  const pipelines = pipelinesOf(gpu);
  const queue = new CommandQueue(gpu.device);
  const ofWeights = new WeakMap<ModelWeights, GpuWeights>();
  const caches = cacheStore(gpu, queue);
  const { timer } = gpu;
  return {
    name: "webgpu",
    peakBytes,
    ...(timer && {
      passTimes() {
        queue.send();
        return timer.take();
      },
    }),
    async prepare(pass, weights, options) {
      const stored = ofWeights.get(weights) ?? gpuWeights(gpu, weights);
      ofWeights.set(weights, stored);
      const prepared = await preparePass(gpu, queue, pipelines, pass, stored, options);
      return {
        ...prepared,
        release: releaseOnce(async () => {
          queue.send();
          caches.clear();
          await prepared.release();
        }),
      };
    },
    createCache: caches.take,
    async stack(parts, features) {
      const tensors = parts as readonly GpuTensor<Float32Array>[];
      const rows = tensors.reduce((sum, { shape }) => sum + sizeOf(shape) / features, 0);
      const result = createTensor<Float32Array>(gpu, queue, [1, rows, features], Float32Array);
      let at = 0;
      for (const { buffer, shape } of tensors) {
        queue.encoder.copyBufferToBuffer(buffer, 0, result.buffer, at, 4 * sizeOf(shape));
        at += 4 * sizeOf(shape);
      }
      return result;
    },
    chooser: tokenChooser(gpu, queue, pipelines),
    linearAlgebra: gpuLinearAlgebra(gpu, queue, pipelines),
  };
}

let passes = 0;

async function preparePass(
  gpu: GpuContext,
  queue: CommandQueue,
  pipelines: Pipelines,
  pass: ForwardPass,
  stored: GpuWeights,
  { probes }: PrepareOptions = {},
) {
  const { nodes, outputs: wanted, probed } = recordPass(pass, probes);
  const sums = probes && gpuProbes(gpu, queue, pipelines, probed);
  const outputs = { ...wanted, ...sums?.outputs };
  const fused = fusePass({ nodes, outputs }, stored.stackable);
  const weights = await loadWeights(fused, stored);
  const uncached = new Map<string, Plan>();
  // Several passes may share a cache, and with it the place where plans are kept.
  const number = passes++;
  return {
    async run(given: Readonly<Record<string, PassInput>>, step?: CacheStep) {
      if (sums !== undefined) assertEqualLengths(step);
      const cache = step?.cache as GpuCache | undefined;
      const plans = cache?.plans ?? uncached;
      const shapes = Object.keys(pass.inputs).map((name) => `${name}[${given[name]?.shape}]`);
      const key = `${number} ${shapes.join(" ")}`;
      const plan = plans.get(key) ?? (await makePlan(gpu, pipelines, fused, weights, given, cache, sums));
      keepPlan(queue, plans, key, plan);
      for (const [name, buffer] of Object.entries(plan.inputs)) writeInput(queue, buffer, given[name], name);
      if (cache !== undefined) queue.write(cache.past, cache.lengths);
      const { encoder } = queue;
      encode(encoder, plan.commands, gpu.timer?.next());
      const copied = new Map<string, GpuTensor<Float32Array>>();
      for (const [name, { buffer, shape }] of Object.entries(plan.outputs)) {
        const tensor = createTensor<Float32Array>(gpu, queue, shape, Float32Array);
        encoder.copyBufferToBuffer(buffer, 0, tensor.buffer, 0, 4 * sizeOf(shape));
        copied.set(name, tensor);
      }
      await sums?.take(copied);
      // What comes of one more token is asked for at once, and its commands with it.
      if (!step?.added.every((count) => count === 1)) queue.send();
      step?.added.forEach((count, n) => {
        step.cache.lengths[n] = (step.cache.lengths[n] as number) + count;
      });
      return Object.fromEntries(copied);
    },
    ...(sums && { statistics: sums.statistics }),
    async release() {
      for (const plan of uncached.values()) destroyAll(plan.buffers);
      sums?.release();
      stored.release();
    },
  };
}

async function loadWeights(fused: FusedPass, stored: GpuWeights): Promise<PassWeights> {
  const weights = { linear: new Map(), tables: new Map(), vectors: new Map() };
  const vector = async (name: string | undefined) => {
    if (name !== undefined) weights.vectors.set(name, await stored.vector(name));
  };
  for (const step of fused.steps) {
    if (step.op === "fusedLinear") {
      weights.linear.set(step, await stored.linear(step.weights));
      await vector(step.norm?.weight);
      await vector(step.norm?.bias);
    } else if (step.op === "embed") weights.tables.set(step.table, await stored.table(step.table));
    else if (step.op === "blendRows") await vector(step.table);
    else if (step.op === "weight") await vector(step.name);
    else if (step.op === "norm") {
      await vector(step.weight);
      await vector(step.bias);
    }
  }
  return weights;
}

async function makePlan(
  gpu: GpuContext,
  pipelines: Pipelines,
  fused: FusedPass,
  weights: PassWeights,
  given: Readonly<Record<string, { readonly shape: readonly number[] } | undefined>>,
  cache: PlanCache | undefined,
  sums: GpuProbes | undefined,
): Promise<Plan> {
  const builder = new PlanBuilder(gpu, pipelines);
  const inputs: Record<string, Placed> = {};
  for (const [name, tensor] of Object.entries(given)) {
    if (tensor === undefined) continue;
    const { shape } = tensor;
    inputs[name] = { buffer: builder.own(4 * sizeOf(shape)), offset: 0, stride: shape.at(-1) ?? 1, shape };
  }
  const lowered = lowerPass(builder, fused, inputs, weights, cache);
  const outputs = sums?.lower(builder, lowered) ?? lowered;
  const finished = await builder.finish();
  const buffers = Object.fromEntries(Object.entries(inputs).map(([name, { buffer }]) => [name, buffer]));
  return { ...finished, inputs: buffers, outputs };
}

/** The latest plans stay. A destroyed buffer lives on until the work that was submitted is done with it. */
function keepPlan(queue: CommandQueue, plans: Map<string, Plan>, key: string, plan: Plan): void {
  plans.delete(key);
  plans.set(key, plan);
  for (const [old, { buffers }] of plans) {
    if (plans.size <= PLANS_KEPT) return;
    plans.delete(old);
    for (const buffer of buffers) queue.destroy(buffer);
  }
}

function destroyAll(buffers: Iterable<GPUBuffer>): void {
  for (const buffer of buffers) buffer.destroy();
}

function writeInput(
  queue: CommandQueue,
  buffer: GPUBuffer,
  input: PassInput | undefined,
  name: string,
): void {
  if (input === undefined) throw new TypeError(`the pass needs the input ${name}`);
  const byteLength = 4 * sizeOf(input.shape);
  if (byteLength === 0) return;
  if (isDeviceTensor(input)) {
    queue.encoder.copyBufferToBuffer((input as GpuTensor<Float32Array>).buffer, 0, buffer, 0, byteLength);
  } else queue.write(buffer, input.data);
}

/** Tokens that the capacity of caches is rounded up to, so that prompts find one that fits. */
const CAPACITY_STEP = 64;

/**
 * Caches, of which the one that was given back last is kept with the plans that attend to it: the next prompt of that model mostly needs
 * the same.
 */
function cacheStore(gpu: GpuContext, queue: CommandQueue) {
  let spare: { readonly spec: CacheSpec; readonly cache: GpuCache; readonly destroy: () => void } | undefined;
  const clear = () => {
    queue.send();
    spare?.destroy();
    spare = undefined;
  };
  return {
    clear,
    take(spec: CacheSpec, batch: number, wanted: number): GpuCache {
      const capacity = Math.ceil(wanted / CAPACITY_STEP) * CAPACITY_STEP;
      const fits = spare?.spec === spec && spare.cache.batch === batch && spare.cache.capacity === capacity;
      if (!fits) clear();
      const { cache, destroy } = (fits ? spare : undefined) ?? createCache(gpu, spec, batch, capacity);
      spare = undefined;
      cache.lengths.fill(0);
      let released = false;
      return {
        ...cache,
        release() {
          if (released) return;
          released = true;
          clear();
          spare = { spec, cache, destroy };
        },
      };
    },
  };
}

function createCache(gpu: GpuContext, spec: CacheSpec, batch: number, capacity: number) {
  const { layers } = spec;
  const { device } = gpu;
  const bytes = cacheType(gpu) === "f16" ? 2 : 4;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const room = () =>
    layers.map(({ kvHeads, headDim }) => {
      const size = bufferBytes(bytes * batch * capacity * kvHeads * headDim);
      return device.createBuffer({ size, usage });
    });
  const [keys, values] = [room(), room()];
  const past = device.createBuffer({ size: bufferBytes(4 * batch), usage });
  const plans = new Map<string, Plan>();
  const counts = { lengths: new Int32Array(batch), bytesPerToken: tokenBytes(spec, bytes) };
  const cache: GpuCache = { batch, capacity, ...counts, keys, values, past, plans };
  const destroy = () => {
    for (const { buffers } of plans.values()) destroyAll(buffers);
    plans.clear();
    destroyAll([...keys, ...values, past]);
  };
  return { cache, destroy };
}
