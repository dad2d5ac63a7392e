/** Bytes from the host that wait for the commands they go with, at most. */
const STAGING = 1 << 18;

/**
 * Commands on their way to the card, which leave together: what reads a result sends all that were given before. Numbers from the host
 * keep their place among them: few go with the commands, by one write for all, and are copied where they belong; before many, the commands
 * leave.
 */
export class CommandQueue {
  readonly #device: GPUDevice;
  readonly #staging: GPUBuffer;
  readonly #staged = new Uint8Array(STAGING);
  #stagedBytes = 0;
  #encoder: GPUCommandEncoder | undefined;
  #leaving: Promise<void> | undefined;
  #doomed: GPUBuffer[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.#staging = device.createBuffer({ size: STAGING, usage });
  }

  /** Takes commands, which leave with the next `send`. */
  get encoder(): GPUCommandEncoder {
    this.#encoder ??= this.#device.createCommandEncoder();
    return this.#encoder;
  }

  /** Puts numbers of four bytes at the beginning of a buffer. */
  write(buffer: GPUBuffer, data: Float32Array | Int32Array): void {
    const { byteLength } = data;
    if (byteLength > STAGING) {
      this.send();
      this.#device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
      return;
    }
    if (this.#stagedBytes + byteLength > STAGING) this.send();
    this.#staged.set(new Uint8Array(data.buffer, data.byteOffset, byteLength), this.#stagedBytes);
    this.encoder.copyBufferToBuffer(this.#staging, this.#stagedBytes, buffer, 0, byteLength);
    this.#stagedBytes += byteLength;
  }

  /** Sends what is given until those who are at work now are done with it: what several of them read then leaves together. */
  sendSoon(): Promise<void> {
    this.#leaving ??= Promise.resolve().then(() => {
      this.#leaving = undefined;
      this.send();
    });
    return this.#leaving;
  }

  send(): void {
    if (this.#encoder === undefined) return;
    const commands = this.#encoder.finish();
    this.#encoder = undefined;
    // Commands that left before still find what was written for them.
    if (this.#stagedBytes > 0) {
      this.#device.queue.writeBuffer(this.#staging, 0, this.#staged, 0, this.#stagedBytes);
    }
    this.#stagedBytes = 0;
    this.#device.queue.submit([commands]);
    for (const buffer of this.#doomed.splice(0)) buffer.destroy();
  }

  /** Gives a buffer's memory back, once commands that name it have left. */
  destroy(buffer: GPUBuffer): void {
    if (this.#encoder === undefined) buffer.destroy();
    else this.#doomed.push(buffer);
  }
}
