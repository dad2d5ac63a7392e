// Weights in buffers of the graphics card.
import {
  blockScalesOf,
  dequantize,
  type FloatDtype,
  type FoundWeight,
  fp4,
  integersOf,
  nf4,
  packedCodes,
  readParts,
  widenedBy,
} from "@vlmopt/quant/browser";
import {
  bitsPerElement,
  byteLengthOf,
  convert,
  fromFloat32,
  readTensor,
  type TensorInfo,
} from "@vlmopt/tensor-io/browser";
import { type ModelWeights, readFloats } from "../../weights/model-weights.ts";
import { readAs } from "../../weights/read-as.ts";
import { concatenated } from "../concatenated.ts";
import type { LinearNode } from "../recorded-pass.ts";
import { bufferBytes } from "./gpu-plan.ts";
import { planesOf } from "./kernels/three-bits.ts";
import { denseFormats, type WeightFormat, wordsToNextRow } from "./kernels/weight-format.ts";
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
  const stored = (name: string) => storedAs(weights, name);

  /** Rows of bytes as they are stored, each filled up to whole words. */
  async function writeRows(target: GPUBuffer, offset: number, weight: Stored): Promise<void> {
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
    parts: readonly Stored[],
    biases: readonly (string | undefined)[],
  ): Promise<GpuWeight> {
    const [{ format, k, rowWords, rowGroups }] = parts as [Stored];
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
          ? [await transposedOf(weights, weight)]
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

/** A weight as it is stored, seen as rows. */
interface Stored {
  readonly format: WeightFormat;
  readonly rows: number;
  readonly k: number;
  readonly rowBytes: number;
  readonly rowWords: number;
  readonly rowGroups: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  scales(): Promise<Uint8Array>;
  zeros(): Promise<Float32Array>;
}

function storedAs(weights: ModelWeights, name: string): Stored {
  const { tensor, quantized } = weights.find(name);
  const [rows = 1, ...rest] = weights.specs.get(name)?.shape ?? [];
  const k = rest.reduce((product, size) => product * size, 1);
  if (quantized === undefined) return denseRows(weights, tensor, rows, k);
  return (
    quantizedRows(weights, tensor, quantized, rows, k) ?? decodedRows(weights, tensor, quantized, rows, k)
  );
}

const noScales = async () => new Uint8Array(0);
const noZeros = async () => new Float32Array(0);

function denseRows(weights: ModelWeights, tensor: TensorInfo, rows: number, k: number): Stored {
  const { dtype } = tensor;
  const wider = readAs(dtype);
  if (wider !== undefined) {
    const read = reader(weights, tensor);
    const ratio = bitsPerElement(wider) / bitsPerElement(dtype);
    return denseAs(wider, rows, k, async (offset, length) =>
      convert(await read(offset / ratio, length / ratio), dtype, wider),
    );
  }
  if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16") {
    throw new TypeError(`${tensor.name} is of ${dtype}, which no kernel reads: convert it to BF16`);
  }
  return denseAs(dtype, rows, k, reader(weights, tensor));
}

function denseAs(dtype: FloatDtype, rows: number, k: number, read: Stored["read"]): Stored {
  const rowBytes = byteLengthOf(dtype, [k]);
  return {
    format: denseFormats[dtype],
    rows,
    k,
    rowBytes,
    rowWords: Math.ceil(rowBytes / 16),
    rowGroups: 0,
    read,
    scales: noScales,
    zeros: noZeros,
  };
}

/** Layouts that kernels read, undefined where groups do not fill words. */
function quantizedRows(
  weights: ModelWeights,
  tensor: TensorInfo,
  found: FoundWeight,
  rows: number,
  k: number,
): Stored | undefined {
  const { layout } = found.weight;
  const stored = reader(weights, tensor);
  const parts = () => readParts(weights.checkpoint, found.weight);
  const rowsOf = (format: WeightFormat & { readonly groupSize: number }) => {
    const rowWords = wordsToNextRow(format, k);
    return { format, rows, k, rowBytes: rowWords * 16, rowWords, rowGroups: k / format.groupSize };
  };
  const fits = (values: number, groupSize: number) =>
    k % values === 0 && groupSize % values === 0 && k % groupSize === 0;
  if (layout.kind === "codebook") {
    const { blockSize: groupSize, codebook } = layout;
    if (!fits(32, groupSize)) return undefined;
    const numbers = [...(codebook === "nf4" ? nf4 : fp4).values];
    return {
      ...rowsOf({ kind: "codebook", values: 32, groupSize, scales: "f32", zeros: false, codebook: numbers }),
      read: stored,
      scales: async () => fromFloat32(blockScalesOf(found, await parts()), "F32"),
      zeros: noZeros,
    };
  }
  // The kernel of bytes takes signed ones, whose zero is 0.
  if (layout.kind === "other" || (layout.bits === 8 && layout.zeroPoints)) return undefined;
  const { bits, groupSize } = layout;
  // Words hold 64 numbers of 2 and 3 bits: those in smaller groups are widened to 4 bits, which changes none.
  const width = bits < 4 && !fits(64, groupSize) ? 4 : bits;
  const { kind, values } = integerKinds[width];
  if (!fits(values, groupSize)) return undefined;
  const asStored = layout.stored === storedAsKernels[width] && width === bits;
  const codes = async () => {
    const numbers = await readTensor(weights.checkpoint, tensor.name);
    if (width === 3) return planesOf(integersOf(found, await parts()).codes(numbers), k);
    const packed = packedCodes(found, numbers, await parts(), width);
    return width === 8 ? packed.map((byte) => byte ^ 0x80) : packed;
  };
  const shape = rowsOf({
    ...{ kind, values, groupSize, codebook: undefined },
    scales: scaleTypes[layout.scaleDtype],
    zeros: layout.zeroPoints,
  });
  return {
    ...shape,
    read: asStored ? stored : readerOnce(codes, rows * shape.rowBytes),
    scales: async () => fromFloat32(integersOf(found, await parts()).scales, layout.scaleDtype),
    zeros: async () =>
      Float32Array.from(
        integersOf(found, await parts()).zeroPoints ?? [],
        (zero) => zero + widenedBy(bits, width),
      ),
  };
}

/** Of each number of bits, its kernel and how many numbers a word of 16 bytes holds. */
const integerKinds = {
  2: { kind: "int2", values: 64 },
  3: { kind: "int3", values: 64 },
  4: { kind: "int4", values: 32 },
  8: { kind: "int8", values: 16 },
} as const;

const storedAsKernels = { 2: "packed", 3: undefined, 4: "packed", 8: "signed" } as const;

const scaleTypes = { F32: "f32", F16: "f16", BF16: "bf16" } as const;

/** What no kernel reads as it is stored is decoded, to the dtype that it had. */
function decodedRows(
  weights: ModelWeights,
  tensor: TensorInfo,
  found: FoundWeight,
  rows: number,
  k: number,
): Stored {
  const { dtype } = found.weight;
  const decode = async () => {
    const parts = await readParts(weights.checkpoint, found.weight);
    return dequantize(found, await readTensor(weights.checkpoint, tensor.name), parts, dtype);
  };
  return denseAs(dtype, rows, k, readerOnce(decode, byteLengthOf(dtype, [rows, k])));
}

/** Reads from bytes that are made when the first are asked for, and let go after the last. */
function readerOnce(make: () => Promise<Uint8Array>, byteLength: number): Stored["read"] {
  let bytes: Promise<Uint8Array> | undefined;
  return async (offset, length) => {
    bytes ??= make();
    const part = (await bytes).subarray(offset, offset + length);
    if (offset + length === byteLength) bytes = undefined;
    return part;
  };
}

async function transposedOf(weights: ModelWeights, name: string): Promise<Stored> {
  const [k = 1, rows = 1] = weights.specs.get(name)?.shape ?? [];
  const values = await readFloats(weights, name);
  const turned = Float32Array.from(values, (_, i) => values[(i % k) * rows + Math.floor(i / k)] as number);
  const bytes = new Uint8Array(turned.buffer);
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  return denseAs("F32", rows, k, read);
}

function reader({ checkpoint }: ModelWeights, { file, offset }: TensorInfo) {
  const source = checkpoint.sources.get(file);
  if (source === undefined) throw new TypeError(`${file} is not open`);
  return (from: number, length: number) => source.read(offset + from, length);
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
