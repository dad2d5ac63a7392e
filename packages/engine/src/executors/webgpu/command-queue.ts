/**
 * Commands on their way to the card, which leave together: what reads a result sends all that were given before. Whoever writes to a
 * buffer from the host sends them first, since such writes overtake commands that have not left.
 */
export class CommandQueue {
  readonly #device: GPUDevice;
  #encoder: GPUCommandEncoder | undefined;
  #doomed: GPUBuffer[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Takes commands, which leave with the next `send`. */
  get encoder(): GPUCommandEncoder {
    this.#encoder ??= this.#device.createCommandEncoder();
    return this.#encoder;
  }

  send(): void {
    if (this.#encoder === undefined) return;
    const commands = this.#encoder.finish();
    this.#encoder = undefined;
    this.#device.queue.submit([commands]);
    for (const buffer of this.#doomed.splice(0)) buffer.destroy();
  }

  /** Gives a buffer's memory back, once commands that name it have left. */
  destroy(buffer: GPUBuffer): void {
    if (this.#encoder === undefined) buffer.destroy();
    else this.#doomed.push(buffer);
  }
}
