import type { DeviceTensor } from "../executor.ts";
import type { CommandQueue } from "./command-queue.ts";
import { bufferBytes, sizeOf } from "./gpu-plan.ts";
import type { GpuContext } from "./webgpu-device.ts";

/** A tensor on the card. */
export interface GpuTensor<Data extends Float32Array | Int32Array> extends DeviceTensor<Data> {
  readonly buffer: GPUBuffer;
}

export function createTensor<Data extends Float32Array | Int32Array>(
  gpu: GpuContext,
  queue: CommandQueue,
  shape: readonly number[],
  numbers: new (buffer: ArrayBuffer) => Data,
): GpuTensor<Data> {
  const { pool } = gpu;
  const byteLength = 4 * sizeOf(shape);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = pool.take(bufferBytes(byteLength), usage);
  let released = false;
  return {
    shape,
    buffer,
    async read() {
      return new numbers(await readBuffer(gpu, queue, buffer, byteLength));
    },
    release() {
      if (!released && !pool.keep(buffer)) queue.destroy(buffer);
      released = true;
    },
  };
}

/** Bytes that are read at a time: memory that host and card share is slow to get, so that large reads share a piece. */
const READ_BYTES = 1 << 26;

/** The first bytes of a buffer. */
export async function readBuffer(
  { pool, reads }: GpuContext,
  queue: CommandQueue,
  buffer: GPUBuffer,
  byteLength: number,
): Promise<ArrayBuffer> {
  const data = new Uint8Array(byteLength);
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const copy = pool.take(bufferBytes(Math.min(READ_BYTES, byteLength)), usage);
  for (let first = 0; first < byteLength; first += copy.size) {
    const length = Math.min(copy.size, byteLength - first);
    queue.encoder.copyBufferToBuffer(buffer, first, copy, 0, bufferBytes(length));
    await queue.sendSoon();
    await reads.map(copy);
    data.set(new Uint8Array(copy.getMappedRange(), 0, length), first);
    copy.unmap();
  }
  if (!pool.keep(copy)) copy.destroy();
  return data.buffer;
}
