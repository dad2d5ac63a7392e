import {
  blockScalesOf,
  dequantize,
  type FoundWeight,
  type IntegerLayout,
  integersOf,
  type Layout,
  loadParts,
  packedCodes,
  widenedBy,
} from "@vlmopt/quant";
import { CheckpointError, convert, readTensor, type TensorInfo } from "@vlmopt/tensor-io";
import type { ModelWeights } from "../../weights/model-weights.ts";
import { readAs } from "../../weights/read-as.ts";
import type { OnnxType } from "./onnx-model.ts";
import type { GraphWriter, PendingInitializer } from "./ort-graph.ts";

/** How a linear's weight enters the graph. */
export interface LinearWeights {
  /** A stored tensor as the graph's value, in F32. */
  float(name: string, shape?: readonly number[]): string;
  /** Rows of a table by their numbers, in F32. */
  lookUp(ids: string, table: string): string;
  /** x·Wᵀ. */
  multiply(x: string, name: string): string;
  /** `[out, in]`. */
  shapeOf(name: string): readonly [number, number];
}

/** @param activations see `OrtOptions` */
export function linearWeights(
  graph: GraphWriter,
  weights: ModelWeights,
  activations: "int8" | "float32" | undefined,
): LinearWeights {
  const accuracyLevel = activations === "float32" ? 0 : 4;
  const isInt8Decoded =
    activations === "float32" || (activations === undefined && fitsDecoded(weights, isBytes));
  const shapeOf = (name: string): [number, number] => {
    const [rows = 1, ...rest] = weights.specs.get(name)?.shape ?? [];
    return [rows, rest.reduce((product, size) => product * size, 1)];
  };
  const raw = (name: string, shape = weights.find(name).tensor.shape) => {
    const { tensor } = weights.find(name);
    return graph.initializer({ ...stored(weights, tensor), shape, name: `${name}[${shape}]` });
  };
  const float = (name: string, shape?: readonly number[]) => {
    const value = raw(name, shape);
    return weights.find(name).tensor.dtype === "F32"
      ? value
      : graph.once(`f32 ${value}`, () => graph.node("Cast", [value], { to: 1 }));
  };
  return {
    float,
    shapeOf,
    lookUp(ids, table) {
      const { tensor, quantized } = weights.find(table);
      const shape = shapeOf(table);
      if (quantized === undefined) {
        // A table is looked up as it is stored: only what is taken becomes F32.
        const rows = graph.node("Gather", [raw(table, shape), ids]);
        return tensor.dtype === "F32" ? rows : graph.node("Cast", [rows], { to: 1 });
      }
      const { layout } = quantized.weight;
      if (layout.kind === "integers" && layout.stored === "signed")
        return byteRows(graph, weights, ids, { tensor, found: quantized }, layout, shape);
      return graph.node("Gather", [decoded(graph, weights, { tensor, found: quantized }, shape), ids]);
    },
    multiply(x, name) {
      const { tensor, quantized } = weights.find(name);
      const shape = shapeOf(name);
      if (quantized === undefined)
        return graph.node("com.microsoft.FusedMatMul", [x, float(name, shape)], { transB: 1 });
      const weight = { tensor, found: quantized };
      const { layout } = quantized.weight;
      // With activations in F32, MatMulNBits takes 17 times as long for a token as a product with decoded weights of 8 bits.
      const multiplied =
        layout.kind === "integers" && !(isBytes(layout) && isInt8Decoded)
          ? integers(graph, weights, x, weight, layout, shape, accuracyLevel)
          : layout.kind === "codebook" && !fitsDecoded(weights, ({ kind }) => kind === "codebook")
            ? codebook(graph, weights, x, weight, layout, shape)
            : undefined;
      return multiplied ?? product(graph, weights, x, weight, shape);
    },
  };
}

/** A tensor of numbers, and what it stands for. */
interface QuantizedTensor {
  readonly tensor: TensorInfo;
  readonly found: FoundWeight;
}

function isBytes(layout: Layout): boolean {
  return layout.kind === "integers" && layout.bits === 8;
}

/**
 * By MatMulNBits, whose bytes are those of packed codes; undefined where it has no blocks for the groups, or zero points have no room. It takes
 * no codes of 3 bits, and those of 2 are unpacked anew for each product (150 times as slow) but in blocks of 32 to 128 with rounded
 * activations: others are widened to 4 bits, which changes none.
 */
function integers(
  graph: GraphWriter,
  weights: ModelWeights,
  x: string,
  { tensor, found }: QuantizedTensor,
  { bits, groupSize, stored: how }: IntegerLayout,
  [rows, columns]: readonly [number, number],
  accuracyLevel: 0 | 4,
): string | undefined {
  const isWidened = bits === 3 || (bits === 2 && (accuracyLevel === 0 || groupSize % 32 !== 0));
  const width = isWidened ? 4 : bits;
  const blockSize = blockSizes[width].find((size) => groupSize % size === 0);
  const { scales, zeroPoints: zeroPointsOfGroups } = integersOf(found, loadParts(found.weight));
  const zeroPoints = zeroPointsOfGroups?.map((zero) => zero + widenedBy(bits, width));
  // GPTQ may add 1 to the highest zero point.
  if (blockSize === undefined || zeroPoints?.some((zero) => zero >= 2 ** width)) return undefined;
  const blocks = columns / blockSize;
  const shape = [rows, blocks, (blockSize * width) / 8];
  const load = async () =>
    packedCodes(found, await readTensor(weights.checkpoint, tensor.name), loadParts(found.weight), width);
  const codes =
    how === "packed" && !isWidened
      ? { ...stored(weights, tensor), type: "U8" as const, shape }
      : { name: `${tensor.name}:packed`, type: "U8" as const, shape, data: { load } };
  const times = groupSize / blockSize;
  const inputs = [
    x,
    graph.initializer(codes),
    literal(graph, `${tensor.name}:scale`, "F32", [rows, blocks], repeated(scales, times)),
  ];
  if (zeroPoints !== undefined) {
    const zeros = packedRows(repeated(zeroPoints, times), rows, width);
    inputs.push(literal(graph, `${tensor.name}:zero`, "U8", [rows, zeros.length / rows], zeros));
  }
  return graph.node("com.microsoft.MatMulNBits", inputs, {
    K: columns,
    N: rows,
    bits: width,
    block_size: blockSize,
    accuracy_level: accuracyLevel,
  });
}

/**
 * By bits of codes, weights under one scale of MatMulNBits, the best first. Activations share a scale in each block, too: in small ones rounding
 * costs half, which is felt beside weights of 8 bits.
 */
const blockSizes = { 2: [128, 64, 32], 4: [256, 128, 64, 32, 16], 8: [32, 16] } as const;

/** Bytes stay bytes until they are taken, and then are scaled group by group. */
function byteRows(
  graph: GraphWriter,
  weights: ModelWeights,
  ids: string,
  { tensor, found }: QuantizedTensor,
  { groupSize }: IntegerLayout,
  [rows, columns]: readonly [number, number],
): string {
  const groups = columns / groupSize;
  const { scales } = integersOf(found, loadParts(found.weight));
  const numbers = graph.initializer({
    ...stored(weights, tensor),
    name: `${tensor.name}:rows`,
    shape: [rows, groups, groupSize],
  });
  const scale = literal(graph, `${tensor.name}:row scales`, "F32", [rows, groups, 1], scales);
  const taken = graph.node("Cast", [graph.node("Gather", [numbers, ids])], { to: 1 });
  const scaled = graph.node("Mul", [taken, graph.node("Gather", [scale, ids])]);
  return graph.node("Reshape", [scaled, graph.integers([0, 0, columns])]);
}

/** MatMulBnb4 reads bitsandbytes' bytes, but decodes them one by one; decoded once, a product is many times as fast. */
function codebook(
  graph: GraphWriter,
  weights: ModelWeights,
  x: string,
  { tensor, found }: QuantizedTensor,
  { blockSize, codebook: name }: Layout & { readonly kind: "codebook" },
  [rows, columns]: readonly [number, number],
): string {
  const absmax = blockScalesOf(found, loadParts(found.weight));
  const codes = graph.initializer({ ...stored(weights, tensor), shape: [tensor.byteLength] });
  return graph.node(
    "com.microsoft.MatMulBnb4",
    [x, codes, literal(graph, `${tensor.name}:absmax`, "F32", [absmax.length], absmax)],
    { K: columns, N: rows, block_size: blockSize, quant_type: name === "nf4" ? 1 : 0 },
  );
}

/** Weights of a checkpoint that may be held decoded: more of them stay in their 4 or 8 bits. */
const DECODED_BYTES = 6 * 2 ** 30;

function fitsDecoded({ specs, find }: ModelWeights, counts: (layout: Layout) => boolean): boolean {
  let bytes = 0;
  for (const { name, shape } of specs.values()) {
    const layout = find(name).quantized?.weight.layout;
    if (layout !== undefined && counts(layout))
      bytes += 4 * shape.reduce((product, size) => product * size, 1);
  }
  return bytes <= DECODED_BYTES;
}

function product(
  graph: GraphWriter,
  weights: ModelWeights,
  x: string,
  weight: QuantizedTensor,
  shape: readonly number[],
): string {
  return graph.node("com.microsoft.FusedMatMul", [x, decoded(graph, weights, weight, shape)], { transB: 1 });
}

/** A quantized weight as a matrix of F32, decoded when the graph is loaded. */
function decoded(
  graph: GraphWriter,
  { checkpoint }: ModelWeights,
  { tensor, found }: QuantizedTensor,
  shape: readonly number[],
): string {
  const load = async () =>
    dequantize(found, await readTensor(checkpoint, tensor.name), loadParts(found.weight), "F32");
  return graph.initializer({ name: `${tensor.name}:decoded`, type: "F32", shape, data: { load } });
}

/** A tensor by its place in its file, where it is in one. */
function stored({ checkpoint }: ModelWeights, tensor: TensorInfo): PendingInitializer {
  const { name, dtype, shape, file, offset, byteLength } = tensor;
  const wider = readAs(dtype);
  if (wider !== undefined) {
    const load = async () => convert(await readTensor(checkpoint, name), dtype, wider);
    return { name, type: wider, shape, data: { load } };
  }
  if (!isOnnxType(dtype)) {
    throw new CheckpointError("unsupported-conversion", `ONNX Runtime does not read ${dtype}`, {
      tensor: name,
    });
  }
  const path = checkpoint.sources.get(file)?.path;
  const data =
    path === undefined
      ? { load: () => readTensor(checkpoint, name) }
      : { location: path, offset, byteLength };
  return { name, type: dtype, shape, data };
}

function isOnnxType(dtype: string): dtype is OnnxType {
  return ["F32", "F16", "BF16", "I32", "I64", "U8", "I8"].includes(dtype);
}

function repeated<A extends Float32Array | Uint8Array>(values: A, times: number): A {
  if (times === 1) return values;
  const result = new (values.constructor as new (length: number) => A)(values.length * times);
  for (let i = 0; i < result.length; i++) result[i] = values[Math.floor(i / times)] as number;
  return result;
}

/** From the lowest bits on, each row from a byte of its own. */
function packedRows(values: Uint8Array, rows: number, bits: number): Uint8Array {
  const columns = values.length / rows;
  const width = Math.ceil((columns * bits) / 8);
  const result = new Uint8Array(rows * width);
  for (const [i, value] of values.entries()) {
    const at = (i % columns) * bits;
    const byte = Math.floor(i / columns) * width + (at >> 3);
    result[byte] = (result[byte] as number) | (value << (at & 7));
  }
  return result;
}

function literal(
  graph: GraphWriter,
  name: string,
  type: OnnxType,
  shape: readonly number[],
  values: Float32Array | Uint8Array,
): string {
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return graph.initializer({ name, type, shape, data });
}
