// A fused pass for inputs of given shapes: which kernels run on which buffers, in which order. Made once, run often.
import type { AttentionSplit } from "./kernels/decode-attention.ts";
import { halvesStride } from "./kernels/halves.ts";
import type { Shader } from "./kernels/shader.ts";
import type { GpuContext } from "./webgpu-device.ts";

/** Rows of numbers in a buffer; of F32, or I32 where they count something, or rows of halves. */
export interface Placed {
  readonly halves?: boolean;
  /** Where the rows are still to be put together. */
  readonly split?: AttentionSplit;
  readonly buffer: GPUBuffer;
  /** Numbers before the first one. */
  readonly offset: number;
  /** Numbers from one row to the next. */
  readonly stride: number;
  readonly shape: readonly number[];
}

/** Rows that a product's tiles may reach beyond the last row. */
const LAST_TILE = 127;

interface Dispatch extends Compiled {
  readonly params: Readonly<Record<string, number>>;
  readonly buffers: readonly GPUBuffer[];
  readonly groups: readonly [number, number, number];
}

/** A dispatch as a command encoder takes it. */
export interface Command {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly groups: readonly [number, number, number];
}

export const rowsOf = ({ shape }: { readonly shape: readonly number[] }) =>
  shape.slice(0, -1).reduce((product, size) => product * size, 1);
export const featuresOf = ({ shape }: { readonly shape: readonly number[] }) => shape.at(-1) ?? 1;
export const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/** What writes a shader: a function of `kernels`. */
export type Kernel<Options extends readonly unknown[]> = (gpu: GpuContext, ...options: Options) => Shader;

interface Compiled {
  readonly shader: Shader;
  readonly pipeline: Promise<GPUComputePipeline>;
}

/** Shaders of a device: each is written and compiled once for its options, though passes ask for it once a layer. */
export type Pipelines = <Options extends readonly unknown[]>(
  kernel: Kernel<Options>,
  options: Options,
) => Compiled;

export function pipelinesOf(gpu: GpuContext): Pipelines {
  const { device } = gpu;
  const ofKernels = new WeakMap<object, Map<string, Compiled>>();
  return (kernel, options) => {
    const compiled = ofKernels.get(kernel) ?? new Map<string, Compiled>();
    ofKernels.set(kernel, compiled);
    const key = JSON.stringify(options);
    const found = compiled.get(key);
    if (found !== undefined) return found;
    const shader = kernel(gpu, ...options);
    const module = device.createShaderModule({ code: shader.code });
    const pipeline = device.createComputePipelineAsync({ layout: "auto", compute: { module } });
    const made = { shader, pipeline };
    compiled.set(key, made);
    return made;
  };
}

/**
 * Collects dispatches, and lends buffers to intermediate values: one that nobody reads any more serves the next that needs as many
 * bytes.
 */
export class PlanBuilder {
  readonly gpu: GpuContext;
  readonly #pipelines: Pipelines;
  readonly #dispatches: Dispatch[] = [];
  readonly #owned: GPUBuffer[] = [];
  readonly #free = new Map<number, GPUBuffer[]>();
  /** Buffers of `place`, which may go from one value to another. */
  readonly #lent = new Set<GPUBuffer>();

  constructor(gpu: GpuContext, pipelines: Pipelines) {
    this.gpu = gpu;
    this.#pipelines = pipelines;
  }

  /** Room for a value, and for the rest of the last tile of a product. */
  place(shape: readonly number[], halves = false): Placed {
    const features = shape.at(-1) ?? 1;
    const rows = rowsOf({ shape });
    const room = rows > 1 && this.gpu.hasMatrices ? rows + LAST_TILE : rows;
    const stride = halves ? halvesStride(features) : features;
    return { buffer: this.#lend((halves ? 2 : 4) * room * stride), offset: 0, stride, shape, halves };
  }

  /** A buffer that no other value takes over. */
  own(byteLength: number): GPUBuffer {
    const buffer = this.gpu.device.createBuffer({
      size: bufferBytes(byteLength),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
    this.#owned.push(buffer);
    return buffer;
  }

  /** Lets a buffer of `place` go to others; does nothing to other buffers. */
  giveBack(buffer: GPUBuffer): void {
    if (!this.#lent.delete(buffer)) return;
    const free = this.#free.get(buffer.size);
    if (free === undefined) this.#free.set(buffer.size, [buffer]);
    else free.push(buffer);
  }

  dispatch<Options extends readonly unknown[]>(
    kernel: Kernel<Options>,
    options: Options,
    params: Readonly<Record<string, number>>,
    buffers: readonly GPUBuffer[],
    groups: readonly [number, number?, number?],
  ): void {
    const [x, y = 1, z = 1] = groups;
    if (x * y * z === 0) return;
    this.#dispatches.push({ ...this.#pipelines(kernel, options), params, buffers, groups: [x, y, z] });
  }

  /** Workgroups for so many threads; those kernels go on until all is done. */
  groupsFor(threads: number, perGroup: number): [number] {
    return [Math.min(65535, Math.ceil(threads / perGroup))];
  }

  /** @returns what is to be run, and the buffers that it owns */
  async finish(): Promise<{ commands: Command[]; buffers: GPUBuffer[] }> {
    const { device } = this.gpu;
    const alignment = device.limits.minUniformBufferOffsetAlignment;
    const each = Math.ceil(128 / alignment) * alignment;
    const params = device.createBuffer({
      size: Math.max(each, each * this.#dispatches.length),
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    const bytes = new DataView(new ArrayBuffer(params.size));
    const pipelines = await Promise.all(this.#dispatches.map(({ pipeline }) => pipeline));
    const commands: Command[] = [];
    for (const [index, dispatch] of this.#dispatches.entries()) {
      for (const [i, [name, type]] of dispatch.shader.params.entries()) {
        const value = dispatch.params[name];
        if (value === undefined) throw new TypeError(`the shader needs ${name}`);
        if (type === "u32") bytes.setUint32(each * index + 4 * i, value, true);
        else bytes.setFloat32(each * index + 4 * i, value, true);
      }
      const pipeline = pipelines[index] as GPUComputePipeline;
      const size = Math.ceil((4 * dispatch.shader.params.length) / 16) * 16;
      const bindings = device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [
          ...(size === 0 ? [] : [{ binding: 0, resource: { buffer: params, offset: each * index, size } }]),
          ...dispatch.buffers.map((buffer, i) => ({ binding: i + 1, resource: { buffer } })),
        ],
      });
      commands.push({ pipeline, bindings, groups: dispatch.groups });
    }
    device.queue.writeBuffer(params, 0, bytes.buffer);
    return { commands, buffers: [...this.#owned, params] };
  }

  #lend(byteLength: number): GPUBuffer {
    const buffer = this.#free.get(bufferBytes(byteLength))?.pop() ?? this.own(byteLength);
    this.#lent.add(buffer);
    return buffer;
  }
}

/** Bytes of a buffer that holds so many: none is empty, and shaders read whole words of 16. */
export function bufferBytes(byteLength: number): number {
  return Math.max(16, Math.ceil(byteLength / 16) * 16);
}

/** Gives commands to an encoder, as one pass. */
export function encode(
  encoder: GPUCommandEncoder,
  commands: readonly Command[],
  timestampWrites?: GPUComputePassTimestampWrites,
): void {
  const compute = encoder.beginComputePass(timestampWrites && { timestampWrites });
  for (const { pipeline, bindings, groups } of commands) {
    compute.setPipeline(pipeline);
    compute.setBindGroup(0, bindings);
    compute.dispatchWorkgroups(...groups);
  }
  compute.end();
}
