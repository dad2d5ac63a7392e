/** Bytes of the largest buffers that are kept, and how many of a kind are. */
const LARGEST = 1 << 20;
const KEPT = 8;

/** Small buffers that come and go with every token, of which memory is not asked for anew each time. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<string, GPUBuffer[]>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  take(size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    return this.#free.get(kindOf({ size, usage }))?.pop() ?? this.#device.createBuffer({ size, usage });
  }

  /** Takes a buffer back that no command given later means. @returns whether it is kept; else the caller destroys it */
  keep(buffer: GPUBuffer): boolean {
    if (buffer.size > LARGEST) return false;
    const kind = kindOf(buffer);
    const free = this.#free.get(kind) ?? [];
    if (free.length >= KEPT) return false;
    this.#free.set(kind, [...free, buffer]);
    return true;
  }
}

const kindOf = ({ size, usage }: { readonly size: number; readonly usage: number }) => `${size} ${usage}`;
