import type { DeviceTensor } from "../executor.ts";
import type { CommandQueue } from "./command-queue.ts";
import { bufferBytes, sizeOf } from "./gpu-plan.ts";
import type { GpuContext } from "./webgpu-device.ts";

/** A tensor on the card. */
export interface GpuTensor<Data extends Float32Array | Int32Array> extends DeviceTensor<Data> {
  readonly buffer: GPUBuffer;
}

export function createTensor<Data extends Float32Array | Int32Array>(
  { pool, reads }: GpuContext,
  queue: CommandQueue,
  shape: readonly number[],
  numbers: new (buffer: ArrayBuffer) => Data,
): GpuTensor<Data> {
  const byteLength = 4 * sizeOf(shape);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = pool.take(bufferBytes(byteLength), usage);
  let released = false;
  return {
    shape,
    buffer,
    async read() {
      const copy = pool.take(Math.max(4, byteLength), GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
      queue.encoder.copyBufferToBuffer(buffer, 0, copy, 0, copy.size);
      await queue.sendSoon();
      await reads.map(copy);
      const data = new numbers(copy.getMappedRange().slice(0, byteLength));
      copy.unmap();
      if (!pool.keep(copy)) copy.destroy();
      return data;
    },
    release() {
      if (!released && !pool.keep(buffer)) queue.destroy(buffer);
      released = true;
    },
  };
}
