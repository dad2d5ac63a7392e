// Weights in buffers of the graphics card.
import { type ModelWeights, readFloats } from "../../weights/model-weights.ts";
import { concatenated } from "../concatenated.ts";
import type { LinearNode } from "../recorded-pass.ts";
import { bufferBytes } from "./gpu-plan.ts";
import type { WeightFormat } from "./kernels/weight-format.ts";
import { type StoredRows, storedRows, transposedRows } from "./stored-rows.ts";
import { type GpuContext, NoGpuError } from "./webgpu-device.ts";

/** Weights one below the other, `[n, k]` together. */
export interface GpuWeight {
  readonly format: WeightFormat;
  readonly n: number;
  /** Rows of each of the weights. */
  readonly parts: readonly number[];
  readonly k: number;
  /** Scales of a row. */
  readonly rowGroups: number;
  /** In the order in which shaders declare them. */
  readonly buffers: readonly GPUBuffer[];
  /** `[n]`, where one of them has a bias. */
  readonly bias: GPUBuffer | undefined;
}

/** Numbers of F32, as they are. */
export interface GpuVector {
  readonly buffer: GPUBuffer;
  /** Numbers of a row. */
  readonly width: number;
}

export interface GpuWeights {
  /** Whether these may lie one below the other. */
  stackable(a: string, b: string): boolean;
  linear(nodes: readonly LinearNode[]): Promise<GpuWeight>;
  table(name: string): Promise<GpuWeight>;
  /** Small ones, in F32. */
  vector(name: string): Promise<GpuVector>;
  release(): void;
}

/** Bytes that wait in memory to be copied to the card, at most. */
const STAGING = 1 << 26;

export function gpuWeights({ device, name }: GpuContext, weights: ModelWeights): GpuWeights {
  const made = new Map<string, Promise<unknown>>();
  const buffers: GPUBuffer[] = [];
  let waiting = 0;
  const once = <T>(key: string, make: () => Promise<T>): Promise<T> => {
    const found = made.get(key) ?? make();
    made.set(key, found);
    return found as Promise<T>;
  };
  const bufferOf = async (byteLength: number) => {
    const size = bufferBytes(byteLength);
    device.pushErrorScope("out-of-memory");
    const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    if ((await device.popErrorScope()) !== null) {
      throw new NoGpuError(`${name} has no memory left for ${size} bytes of weights`);
    }
    buffers.push(buffer);
    return buffer;
  };
  const write = async (buffer: GPUBuffer, offset: number, bytes: Uint8Array) => {
    const { byteLength } = bytes;
    const padded = byteLength % 4 === 0 ? bytes : spread(bytes, 1, byteLength, Math.ceil(byteLength / 4) * 4);
    device.queue.writeBuffer(buffer, offset, padded as Uint8Array<ArrayBuffer>);
    waiting += byteLength;
    if (waiting < STAGING) return;
    waiting = 0;
    await device.queue.onSubmittedWorkDone();
  };
  const uploaded = async (data: Float32Array | Uint8Array) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const buffer = await bufferOf(bytes.byteLength);
    await write(buffer, 0, bytes);
    return buffer;
  };
  const stored = (name: string) => storedRows(weights, name);

  /** Rows of bytes as they are stored, each filled up to whole words. */
  async function writeRows(target: GPUBuffer, offset: number, weight: StoredRows): Promise<void> {
    const { rows, rowBytes, rowWords } = weight;
    const whole = rowBytes === rowWords * 16;
    const rowsAtOnce = Math.max(1, Math.floor(STAGING / 4 / Math.max(rowBytes, 1)));
    for (let row = 0; row < rows; row += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, rows - row);
      const bytes = await weight.read(row * rowBytes, count * rowBytes);
      await write(
        target,
        offset + row * rowWords * 16,
        whole ? bytes : spread(bytes, count, rowBytes, rowWords * 16),
      );
    }
  }

  async function stack(
    parts: readonly StoredRows[],
    biases: readonly (string | undefined)[],
  ): Promise<GpuWeight> {
    const [{ format, k, rowWords, rowGroups }] = parts as [StoredRows];
    const n = parts.reduce((sum, { rows }) => sum + rows, 0);
    const words = await bufferOf(n * rowWords * 16);
    let row = 0;
    for (const part of parts) {
      await writeRows(words, row * rowWords * 16, part);
      row += part.rows;
    }
    const all = [words];
    if (format.scales !== undefined)
      all.push(await uploaded(joined(await Promise.all(parts.map(({ scales }) => scales())))));
    if (format.zeros)
      all.push(await uploaded(concatenated(await Promise.all(parts.map(({ zeros }) => zeros())))));
    let bias: GPUBuffer | undefined;
    if (biases.some((name) => name !== undefined)) {
      const vectors = parts.map(async ({ rows }, i) => {
        const name = biases[i];
        return name === undefined ? new Float32Array(rows) : readFloats(weights, name);
      });
      bias = await uploaded(concatenated(await Promise.all(vectors)));
    }
    return { format, n, parts: parts.map(({ rows }) => rows), k, rowGroups, buffers: all, bias };
  }

  return {
    stackable(a, b) {
      const [first, second] = [stored(a), stored(b)];
      return first.k === second.k && JSON.stringify(first.format) === JSON.stringify(second.format);
    },
    linear: (nodes) =>
      once(`linear ${nodes.map(({ weight, bias }) => `${weight} ${bias}`)}`, async () => {
        const [{ weight, transposed }] = nodes as [LinearNode];
        const parts = transposed
          ? [await transposedRows(weights, weight)]
          : nodes.map(({ weight: name }) => stored(name));
        return stack(
          parts,
          nodes.map(({ bias }) => bias),
        );
      }),
    table: (name) => once(`linear ${name} undefined`, () => stack([stored(name)], [undefined])),
    vector: (name) =>
      once(`vector ${name}`, async () => ({
        buffer: await uploaded(await readFloats(weights, name)),
        width: weights.specs.get(name)?.shape.at(-1) ?? 1,
      })),
    release() {
      for (const buffer of buffers) buffer.destroy();
      made.clear();
    },
  };
}

function spread(bytes: Uint8Array, rows: number, from: number, to: number): Uint8Array {
  const result = new Uint8Array(rows * to);
  for (let row = 0; row < rows; row++) result.set(bytes.subarray(row * from, (row + 1) * from), row * to);
  return result;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.byteLength;
  }
  return result;
}
