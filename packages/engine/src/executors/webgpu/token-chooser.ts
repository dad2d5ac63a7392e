import type { Executor, TokenChoice } from "../executor.ts";
import type { CommandQueue } from "./command-queue.ts";
import { bufferBytes, type Pipelines, sizeOf } from "./gpu-plan.ts";
import { createTensor, type GpuTensor } from "./gpu-tensor.ts";
import { argmax } from "./kernels/argmax.ts";
import { drawToken } from "./kernels/draw-token.ts";
import type { GpuContext } from "./webgpu-device.ts";

/** Chooses tokens on the card: nothing goes there from step to step, since the random numbers of all steps are there beforehand. */
export function tokenChooser(
  gpu: GpuContext,
  queue: CommandQueue,
  pipelines: Pipelines,
): NonNullable<Executor["chooser"]> {
  const { device } = gpu;
  const made = new Map<string, { params: GPUBuffer; places: GPUBuffer }>();
  /** What does not change from answer to answer. */
  const prepared = (features: number, excluded: readonly number[]) => {
    const key = `${features} ${excluded}`;
    const found = made.get(key);
    if (found !== undefined) return found;
    const params = device.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(params, 0, Uint32Array.of(features, excluded.length, 0, 0));
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const places = device.createBuffer({ size: bufferBytes(4 * excluded.length), usage });
    if (excluded.length > 0) device.queue.writeBuffer(places, 0, Int32Array.from(excluded));
    made.set(key, { params, places });
    return { params, places };
  };
  return (choices) => {
    const draws = choices.some(({ temperature }) => temperature > 0) ? uploadDraws(gpu, choices) : undefined;
    return {
      async choose(logits, step, excluded = []) {
        const features = logits.shape.at(-1) as number;
        const rows = sizeOf(logits.shape) / features;
        const result = createTensor<Int32Array>(gpu, queue, [rows], Int32Array);
        const { params, places } = prepared(features, excluded);
        const pipeline = await pipelines(draws === undefined ? argmax : drawToken, []).pipeline;
        const resources = [
          { buffer: params },
          { buffer: (logits as GpuTensor<Float32Array>).buffer },
          { buffer: places },
          ...(draws === undefined ? [] : [draws.ofStep(step)]),
          { buffer: result.buffer },
        ];
        const bindings = device.createBindGroup({
          layout: pipeline.getBindGroupLayout(0),
          entries: resources.map((resource, binding) => ({ binding, resource })),
        });
        const pass = queue.encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindings);
        pass.dispatchWorkgroups(rows);
        pass.end();
        return result;
      },
      release() {
        if (draws !== undefined) queue.destroy(draws.buffer);
      },
    };
  };
}

/** Of temperatures next to none; more than that leaves the likeliest token alone just as well. */
const MOST_INVERSE = 1e30;
const EVERY_TOKEN = 2 ** 24;

/** What every token of every answer is drawn by: `[steps, rows, 4]`, steps where bindings may begin. */
function uploadDraws({ device }: GpuContext, choices: readonly TokenChoice[]) {
  const steps = Math.max(1, ...choices.map(({ uniforms }) => uniforms.length));
  const alignment = device.limits.minStorageBufferOffsetAlignment / 4;
  const stride = Math.ceil((4 * choices.length) / alignment) * alignment;
  const data = new Float32Array(steps * stride);
  for (const [row, { temperature, topK, topP, uniforms }] of choices.entries()) {
    const own =
      temperature === 0
        ? [1, 1, 1]
        : [Math.min(1 / temperature, MOST_INVERSE), Math.min(topK, EVERY_TOKEN), topP];
    for (const [step, uniform] of uniforms.entries()) data.set([...own, uniform], step * stride + 4 * row);
  }
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: data.byteLength, usage });
  device.queue.writeBuffer(buffer, 0, data);
  return {
    buffer,
    ofStep: (step: number) => ({ buffer, offset: 4 * stride * step, size: 16 * choices.length }),
  };
}
