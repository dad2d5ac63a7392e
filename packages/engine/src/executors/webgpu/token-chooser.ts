import type { Executor, TokenChoice } from "../executor.ts";
import type { CommandQueue } from "./command-queue.ts";
import { bufferBytes, encode, type Kernel, type Pipelines, sizeOf } from "./gpu-plan.ts";
import { createTensor, type GpuTensor } from "./gpu-tensor.ts";
import { ARGMAX_PART, argmaxOfParts, argmaxOfRows } from "./kernels/argmax.ts";
import { drawToken } from "./kernels/draw-token.ts";
import type { GpuContext } from "./webgpu-device.ts";

/** Chooses tokens on the card: nothing goes there from step to step, since the random numbers of all steps are there beforehand. */
export function tokenChooser(
  gpu: GpuContext,
  queue: CommandQueue,
  pipelines: Pipelines,
): NonNullable<Executor["chooser"]> {
  const { device } = gpu;
  const made = new Map<string, Prepared>();
  /** What does not change from answer to answer. */
  const prepared = (rows: number, features: number, excluded: readonly number[]) => {
    const key = `${rows} ${features} ${excluded}`;
    const found = made.get(key);
    if (found !== undefined) return found;
    const partCount = Math.ceil(features / ARGMAX_PART);
    const numbers = Uint32Array.of(features, excluded.length, partCount, 0);
    const params = filledBuffer(gpu, GPUBufferUsage.UNIFORM, numbers);
    const places = filledBuffer(gpu, GPUBufferUsage.STORAGE, Int32Array.from(excluded));
    const parts = device.createBuffer({ size: 8 * rows * partCount, usage: GPUBufferUsage.STORAGE });
    const own = { params, places, parts, partCount };
    made.set(key, own);
    return own;
  };
  const command = async (
    kernel: Kernel<[]>,
    resources: readonly GPUBufferBinding[],
    groups: readonly [number, number, number],
  ) => {
    const pipeline = await pipelines(kernel, []).pipeline;
    const bindings = device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: resources.map((resource, binding) => ({ binding, resource })),
    });
    return { pipeline, bindings, groups };
  };
  return (choices) => {
    const draws = choices.some(({ temperature }) => temperature > 0) ? uploadDraws(gpu, choices) : undefined;
    return {
      async choose(logits, step, excluded = []) {
        const features = logits.shape.at(-1) as number;
        const rows = sizeOf(logits.shape) / features;
        const result = createTensor<Int32Array>(gpu, queue, [rows], Int32Array);
        const { params, places, parts, partCount } = prepared(rows, features, excluded);
        const [given, x, taken] = [
          { buffer: params },
          { buffer: (logits as GpuTensor<Float32Array>).buffer },
          { buffer: result.buffer },
        ];
        const found = { buffer: parts };
        const commands =
          draws === undefined
            ? [
                await command(argmaxOfParts, [given, x, { buffer: places }, found], [partCount, rows, 1]),
                await command(argmaxOfRows, [given, found, taken], [rows, 1, 1]),
              ]
            : [
                await command(
                  drawToken,
                  [given, x, { buffer: places }, draws.ofStep(step), taken],
                  [rows, 1, 1],
                ),
              ];
        encode(queue.encoder, commands);
        return result;
      },
      release() {
        if (draws !== undefined) queue.destroy(draws.buffer);
      },
    };
  };
}

interface Prepared {
  readonly params: GPUBuffer;
  /** Tokens that are excluded. */
  readonly places: GPUBuffer;
  /** The likeliest token of each part of each row of logits. */
  readonly parts: GPUBuffer;
  readonly partCount: number;
}

/** Of temperatures next to none; more than that leaves the likeliest token alone just as well. */
const MOST_INVERSE = 1e30;
const EVERY_TOKEN = 2 ** 24;

/** What every token of every answer is drawn by: `[steps, rows, 4]`, steps where bindings may begin. */
function uploadDraws(gpu: GpuContext, choices: readonly TokenChoice[]) {
  const steps = Math.max(1, ...choices.map(({ uniforms }) => uniforms.length));
  const alignment = gpu.device.limits.minStorageBufferOffsetAlignment / 4;
  const stride = Math.ceil((4 * choices.length) / alignment) * alignment;
  const data = new Float32Array(steps * stride);
  for (const [row, { temperature, topK, topP, uniforms }] of choices.entries()) {
    const own =
      temperature === 0
        ? [1, 1, 1]
        : [Math.min(1 / temperature, MOST_INVERSE), Math.min(topK, EVERY_TOKEN), topP];
    for (const [step, uniform] of uniforms.entries()) data.set([...own, uniform], step * stride + 4 * row);
  }
  const buffer = filledBuffer(gpu, GPUBufferUsage.STORAGE, data);
  return {
    buffer,
    ofStep: (step: number) => ({ buffer, offset: 4 * stride * step, size: 16 * choices.length }),
  };
}

function filledBuffer(
  { device }: GpuContext,
  usage: GPUBufferUsageFlags,
  data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
): GPUBuffer {
  const size = bufferBytes(data.byteLength);
  const buffer = device.createBuffer({ size, usage: usage | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}
