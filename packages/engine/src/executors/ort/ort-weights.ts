import { absmaxOf, dequantize, loadPart, loadParts, type QuantizedWeight, zeroPointsOf } from "@vlmopt/quant";
import { CheckpointError, convert, readTensor, type TensorInfo, toFloat32 } from "@vlmopt/tensor-io";
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
    activations === "float32" || (activations === undefined && fitsDecoded(weights, "int-quantized"));
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
      if (quantized.format === "int-quantized")
        return int8Rows(graph, weights, ids, tensor, quantized, shape);
      return graph.node("Gather", [decoded(graph, weights, { tensor, quantized }, shape), ids]);
    },
    multiply(x, name) {
      const found = weights.find(name);
      const shape = shapeOf(name);
      switch (found.quantized?.format) {
        case undefined:
          return graph.node("com.microsoft.FusedMatMul", [x, float(name, shape)], { transB: 1 });
        case "pack-quantized":
          return int4(graph, weights, x, found.tensor, found.quantized, shape, accuracyLevel);
        case "int-quantized":
          // With activations in F32, MatMulNBits takes 17 times as long for a token as a product with decoded weights.
          return isInt8Decoded
            ? product(graph, weights, x, { tensor: found.tensor, quantized: found.quantized }, shape)
            : int8(graph, weights, x, found.tensor, found.quantized, shape);
        case "bitsandbytes":
          return codebook(graph, weights, x, found.tensor, found.quantized, shape);
        case "gptq":
        case "awq":
        case "nvfp4-pack-quantized":
        case "mxfp4-pack-quantized":
          // No operator of ONNX Runtime takes the bytes of the other formats.
          return product(graph, weights, x, { tensor: found.tensor, quantized: found.quantized }, shape);
      }
    },
  };
}

/** compressed-tensors' bytes are MatMulNBits' own. */
function int4(
  graph: GraphWriter,
  weights: ModelWeights,
  x: string,
  tensor: TensorInfo,
  quantized: QuantizedWeight & { readonly format: "pack-quantized" },
  [rows, columns]: readonly [number, number],
  accuracyLevel: 0 | 4,
): string {
  const scales = toFloat32(loadPart(quantized.scales), quantized.dtype);
  const groupSize = columns / (scales.length / rows);
  const blockSize = blockSizeFor(groupSize);
  if (blockSize === undefined) return product(graph, weights, x, { tensor, quantized }, [rows, columns]);
  const blocks = columns / blockSize;
  const codes = graph.initializer({
    ...stored(weights, tensor),
    type: "U8",
    shape: [rows, blocks, blockSize / 2],
  });
  const scale = repeated(scales, groupSize / blockSize);
  const inputs = [x, codes, literal(graph, `${tensor.name}:scale`, "F32", [rows, blocks], scale)];
  const zeroPoints = zeroPointsOf(loadParts(quantized));
  if (zeroPoints !== undefined) {
    const zeros = repeated(zeroPoints, groupSize / blockSize);
    inputs.push(
      literal(graph, `${tensor.name}:zero`, "U8", [rows, Math.ceil(blocks / 2)], pairs(zeros, rows)),
    );
  }
  return graph.node("com.microsoft.MatMulNBits", inputs, {
    K: columns,
    N: rows,
    bits: 4,
    block_size: blockSize,
    accuracy_level: accuracyLevel,
  });
}

/** MatMulNBits takes bytes whose zero is 128. */
function int8(
  graph: GraphWriter,
  weights: ModelWeights,
  x: string,
  tensor: TensorInfo,
  quantized: QuantizedWeight & { readonly format: "int-quantized" },
  [rows, columns]: readonly [number, number],
): string {
  const scales = toFloat32(loadPart(quantized.scales), quantized.dtype);
  const groupSize = columns / (scales.length / rows);
  // Activations share a scale in each block: in small ones rounding costs half.
  const blockSize = [32, 16].find((size) => groupSize % size === 0);
  if (blockSize === undefined) return product(graph, weights, x, { tensor, quantized }, [rows, columns]);
  const blocks = columns / blockSize;
  const load = async () => (await readTensor(weights.checkpoint, tensor.name)).map((byte) => byte ^ 0x80);
  const codes = graph.initializer({
    name: `${tensor.name}:unsigned`,
    type: "U8",
    shape: [rows, blocks, blockSize],
    data: { load },
  });
  const scale = literal(
    graph,
    `${tensor.name}:scale`,
    "F32",
    [rows, blocks],
    repeated(scales, groupSize / blockSize),
  );
  const attributes = { K: columns, N: rows, bits: 8, block_size: blockSize, accuracy_level: 4 };
  return graph.node("com.microsoft.MatMulNBits", [x, codes, scale], attributes);
}

/** Bytes stay bytes until they are taken, and then are scaled group by group. */
function int8Rows(
  graph: GraphWriter,
  weights: ModelWeights,
  ids: string,
  tensor: TensorInfo,
  quantized: QuantizedWeight & { readonly format: "int-quantized" },
  [rows, columns]: readonly [number, number],
): string {
  const scales = toFloat32(loadPart(quantized.scales), quantized.dtype);
  const groups = scales.length / rows;
  const numbers = graph.initializer({
    ...stored(weights, tensor),
    name: `${tensor.name}:rows`,
    shape: [rows, groups, columns / groups],
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
  tensor: TensorInfo,
  quantized: QuantizedWeight & { readonly format: "bitsandbytes" },
  [rows, columns]: readonly [number, number],
): string {
  if (fitsDecoded(weights, "bitsandbytes"))
    return product(graph, weights, x, { tensor, quantized }, [rows, columns]);
  const { blockSize } = quantized;
  const absmax = absmaxOf(loadParts(quantized));
  const codes = graph.initializer({ ...stored(weights, tensor), shape: [tensor.byteLength] });
  return graph.node(
    "com.microsoft.MatMulBnb4",
    [x, codes, literal(graph, `${tensor.name}:absmax`, "F32", [absmax.length], absmax)],
    { K: columns, N: rows, block_size: blockSize, quant_type: quantized.codebook === "nf4" ? 1 : 0 },
  );
}

/** Weights of a checkpoint that may be held decoded: more of them stay in their 4 or 8 bits. */
const DECODED_BYTES = 6 * 2 ** 30;

function fitsDecoded({ specs, find }: ModelWeights, format: QuantizedWeight["format"]): boolean {
  let bytes = 0;
  for (const { name, shape } of specs.values()) {
    if (find(name).quantized?.format === format)
      bytes += 4 * shape.reduce((product, size) => product * size, 1);
  }
  return bytes <= DECODED_BYTES;
}

function product(
  graph: GraphWriter,
  weights: ModelWeights,
  x: string,
  weight: { tensor: TensorInfo; quantized: QuantizedWeight },
  shape: readonly number[],
): string {
  return graph.node("com.microsoft.FusedMatMul", [x, decoded(graph, weights, weight, shape)], { transB: 1 });
}

/** A quantized weight as a matrix of F32, decoded when the graph is loaded. */
function decoded(
  graph: GraphWriter,
  { checkpoint }: ModelWeights,
  { tensor, quantized }: { tensor: TensorInfo; quantized: QuantizedWeight },
  shape: readonly number[],
): string {
  const load = async () => dequantize(await readTensor(checkpoint, tensor.name), loadParts(quantized), "F32");
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

/** What MatMulNBits takes: a power of two from 16 to 256 that divides the group; undefined where none does. */
function blockSizeFor(groupSize: number): number | undefined {
  return [256, 128, 64, 32, 16].find((size) => groupSize % size === 0);
}

function repeated<A extends Float32Array | Uint8Array>(values: A, times: number): A {
  if (times === 1) return values;
  const result = new (values.constructor as new (length: number) => A)(values.length * times);
  for (let i = 0; i < result.length; i++) result[i] = values[Math.floor(i / times)] as number;
  return result;
}

/** Two a byte, the earlier one low, each row from a byte of its own. */
function pairs(values: Uint8Array, rows: number): Uint8Array {
  const columns = values.length / rows;
  const width = Math.ceil(columns / 2);
  return Uint8Array.from({ length: rows * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), 2 * (i % width)];
    const high = column + 1 < columns ? (values[row * columns + column + 1] as number) : 0;
    return (values[row * columns + column] as number) | (high << 4);
  });
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
