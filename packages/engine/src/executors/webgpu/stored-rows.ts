// Weights as they are stored, seen as rows that kernels read.
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
import { planesOf } from "./kernels/three-bits.ts";
import { denseFormats, type WeightFormat, wordsToNextRow } from "./kernels/weight-format.ts";

/** A weight as it is stored, seen as rows. */
export interface StoredRows {
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

export function storedRows(weights: ModelWeights, name: string): StoredRows {
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

function denseRows(weights: ModelWeights, tensor: TensorInfo, rows: number, k: number): StoredRows {
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

function denseAs(dtype: FloatDtype, rows: number, k: number, read: StoredRows["read"]): StoredRows {
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
): StoredRows | undefined {
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
): StoredRows {
  const { dtype } = found.weight;
  const decode = async () => {
    const parts = await readParts(weights.checkpoint, found.weight);
    return dequantize(found, await readTensor(weights.checkpoint, tensor.name), parts, dtype);
  };
  return denseAs(dtype, rows, k, readerOnce(decode, byteLengthOf(dtype, [rows, k])));
}

/** Reads from bytes that are made when the first are asked for, and let go after the last. */
function readerOnce(make: () => Promise<Uint8Array>, byteLength: number): StoredRows["read"] {
  let bytes: Promise<Uint8Array> | undefined;
  return async (offset, length) => {
    bytes ??= make();
    const part = (await bytes).subarray(offset, offset + length);
    if (offset + length === byteLength) bytes = undefined;
    return part;
  };
}

export async function transposedRows(weights: ModelWeights, name: string): Promise<StoredRows> {
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
