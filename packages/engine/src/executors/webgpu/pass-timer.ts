/** Passes whose times are kept until somebody takes them. */
const KEPT = 256;

/** Keeps account of how long the card takes for passes, by its own clock. */
export class PassTimer {
  readonly #device: GPUDevice;
  readonly #times: GPUQuerySet;
  #count = 0;

  /** @param device with the feature `timestamp-query` */
  constructor(device: GPUDevice) {
    this.#device = device;
    this.#times = device.createQuerySet({ type: "timestamp", count: 2 * KEPT });
  }

  /** For the next pass; nothing where no more are kept. */
  next(): GPUComputePassTimestampWrites | undefined {
    if (this.#count === KEPT) return undefined;
    const beginningOfPassWriteIndex = 2 * this.#count++;
    return {
      querySet: this.#times,
      beginningOfPassWriteIndex,
      endOfPassWriteIndex: beginningOfPassWriteIndex + 1,
    };
  }

  /** Milliseconds of each pass whose commands have left since this was asked for last. */
  async take(): Promise<number[]> {
    const count = this.#count;
    this.#count = 0;
    if (count === 0) return [];
    const size = 16 * count;
    const [resolved, copy] = [
      GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
      GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    ].map((usage) => this.#device.createBuffer({ size, usage })) as [GPUBuffer, GPUBuffer];
    const encoder = this.#device.createCommandEncoder();
    encoder.resolveQuerySet(this.#times, 0, 2 * count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, copy, 0, size);
    this.#device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const nanoseconds = new BigUint64Array(copy.getMappedRange().slice(0));
    resolved.destroy();
    copy.destroy();
    return Array.from({ length: count }, (_, i) => {
      const [begin, end] = [nanoseconds[2 * i] as bigint, nanoseconds[2 * i + 1] as bigint];
      return Number(end - begin) / 1e6;
    });
  }
}
