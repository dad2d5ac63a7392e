import { packBits, transposed, unpackBits } from "../bit-packing.ts";
import { QuantizationError } from "../checkpoint/quantization-error.ts";
import { storedPart } from "../checkpoint/stored-part.ts";
import type { IntegerWeights } from "../integer-weights.ts";
import type { FloatDtype } from "../weights.ts";
import type { Format } from "./format.ts";
import { decodingInputMajor, packScales, unpackScales } from "./input-major.ts";
import { roundingStage } from "./integer-stages.ts";
import { onlySettings, unquantized } from "./module-names.ts";
import type { IntegerLayout, LoadedWeight } from "./quantized-weight.ts";
import { fittingGroups, type GroupedScheme, groupSizeOf } from "./scheme.ts";
import { bytesOf, companion, moduleOf, plainDtype, wordsOf } from "./weight-tensors.ts";

/** What AWQ's libraries load (`gemm`): int4 with zero points, input features first. */
export interface Awq extends GroupedScheme {
  readonly format: "awq";
  /** See `Int4Options`. */
  readonly scales: "compressed-tensors" | "search" | "hqq";
}

/**
 * AWQ's `gemm` (AutoAWQ 0.2, `WQLinear_GEMM`): of `X.weight` [out, in]
 * - `X.qweight` I32 [in, out / 8];
 * - `X.qzeros` I32 [in / group, out / 8];
 * - `X.scales` F16 [in / group, out].
 */
export const awq: Format<Awq> = {
  name: "awq",
  schemes: ["awq", "awq-g32", "awq-g64"],
  parse(name, preset) {
    const [matched, size] = /^awq(?:-(g[1-9]\d*|row))?$/.exec(name) ?? [];
    if (matched === undefined) return undefined;
    return {
      format: "awq",
      groupSize: size === "row" ? "row" : Number(size?.slice(1) ?? 128),
      scales: preset === "best" ? "search" : "compressed-tensors",
    };
  },
  fit(scheme, [rows, columns]) {
    if (rows % 8 !== 0 || columns % 8 !== 0)
      return `matrices of ${rows} × ${columns} weights do not fill words of eight`;
    // The configuration has one group size for the whole model.
    return fittingGroups(scheme, columns, []);
  },
  outputs(tensor, scheme) {
    const [outputs, inputs] = tensor.shape as [number, number];
    const groups = inputs / groupSizeOf(scheme, inputs);
    const module = moduleOf(tensor.name);
    return [
      { name: `${module}.qweight`, dtype: "I32", shape: [inputs, outputs / 8] },
      { name: `${module}.qzeros`, dtype: "I32", shape: [groups, outputs / 8] },
      { name: `${module}.scales`, dtype: "F16", shape: [groups, outputs] },
    ];
  },
  encode(tensor, scheme, how) {
    const groupSize = groupSizeOf(scheme, tensor.shape[1] ?? 1);
    const { scales } = scheme;
    return roundingStage(
      tensor,
      { bits: 4, groupSize, zeroPoints: true, scales, scaleDtype: "F16" },
      how,
      3,
      pack,
    );
  },
  pack,
  grid: (tensor, scheme) => ({
    bits: 4,
    groupSize: groupSizeOf(scheme, tensor.shape[1] ?? 1),
    zeroPoints: true,
    lowestZeroPoint: 0,
    scaleDtype: "F16",
  }),
  config: {
    method: "awq",
    settings: ({ groupSize }) => ({
      version: "gemm",
      bits: 4,
      group_size: groupSize === "row" ? -1 : groupSize,
      zero_point: true,
    }),
    // What transformers' AwqConfig and vLLM read. Their lists of modules that stay are matched as parts of names.
    write(groups, linears) {
      const { parts, names } = unquantized(linears);
      return {
        quant_method: "awq",
        ...onlySettings("AWQ", groups),
        modules_to_not_convert: [...parts.flatMap((part) => [part, `model.${part}`]), ...names],
      };
    },
  },
  async find(source, { name, dtype, shape }) {
    if (!name.endsWith(".qweight") || dtype !== "I32" || shape.length !== 2) return undefined;
    const module = name.replace(/\.qweight$/, "");
    const scales = companion(source, name, `${module}.scales`);
    const zeroPoints = companion(source, name, `${module}.qzeros`);
    const [inputs, along] = shape as [number, number];
    const [groups, outputs] = scales.shape as [number, number];
    if (along === outputs) return undefined;
    if (along * 8 !== outputs) {
      throw new QuantizationError(
        `${name} of shape [${shape}] does not hold numbers of 4 bits for ${outputs} output features: other widths are not read`,
      );
    }
    return {
      name: `${module}.weight`,
      weight: {
        shape: [outputs, inputs],
        dtype: plainDtype(source),
        layout: {
          kind: "integers",
          bits: 4,
          groupSize: inputs / groups,
          scaleDtype: scales.dtype as FloatDtype,
          zeroPoints: true,
          stored: "otherwise",
        },
        beside: {
          scales: await storedPart(source, scales.name),
          zeroPoints: await storedPart(source, zeroPoints.name),
        },
      },
      parts: [scales.name, zeroPoints.name],
    };
  },
  integers: storedIntegers,
  decode: (weight, target) => decodingInputMajor(weight, storedIntegers(weight), target),
};

function pack({ rows, columns, groupSize, codes, scales, zeroPoints }: IntegerWeights): Uint8Array[] {
  const groups = columns / groupSize;
  const zeros = zeroPoints ?? new Uint8Array(rows * groups).fill(8);
  return [
    bytesOf(alongOutputs(packBits(codes, columns, 4), rows)),
    bytesOf(packBits(interleaved(transposed(zeros, rows, groups), AWQ_ORDER), rows, 4)),
    packScales(scales, rows),
  ];
}

function storedIntegers({ shape, layout, beside }: LoadedWeight) {
  const [outputs, inputs] = shape as [number, number];
  const { groupSize, scaleDtype } = layout as IntegerLayout;
  const zeros = unpackBits(wordsOf(beside.zeroPoints as Uint8Array), outputs, 4);
  return {
    scales: unpackScales(beside.scales as Uint8Array, scaleDtype, outputs),
    zeroPoints: transposed(interleaved(zeros, BACK), inputs / groupSize, outputs),
    codes: (bytes: Uint8Array) => unpackBits(downInputs(wordsOf(bytes), outputs), inputs, 4),
  };
}

/** Output feature of a group of eight that the k-th half byte of AWQ's words holds, from the lowest on. */
const AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7] as const;
/** Where each of eight features lies in a word. */
const BACK = [0, 4, 1, 5, 2, 6, 3, 7] as const;

/** Each eight numbers in another order. */
function interleaved(numbers: Uint8Array, order: readonly number[]): Uint8Array {
  return numbers.map((_, i) => numbers[(i & ~7) + (order[i & 7] as number)] as number);
}

/** Words of eight input features, [out, in / 8], as words of eight output features, [in, out / 8]. */
function alongOutputs(words: Uint32Array, outputs: number): Uint32Array {
  const across = words.length / outputs;
  const result = new Uint32Array(words.length);
  const square = new Int32Array(8);
  for (let column = 0; column < across; column++) {
    for (let eight = 0; eight < outputs / 8; eight++) {
      for (let k = 0; k < 8; k++)
        square[k] = words[(eight * 8 + (AWQ_ORDER[k] as number)) * across + column] as number;
      transposeHalfBytes(square);
      for (let i = 0; i < 8; i++) result[((column * 8 + i) * outputs) / 8 + eight] = square[i] as number;
    }
  }
  return result;
}

/** The inverse of `alongOutputs`. */
function downInputs(qweight: Uint32Array, outputs: number): Uint32Array {
  const across = qweight.length / outputs;
  const result = new Uint32Array(qweight.length);
  const square = new Int32Array(8);
  for (let column = 0; column < across; column++) {
    for (let eight = 0; eight < outputs / 8; eight++) {
      for (let i = 0; i < 8; i++) square[i] = qweight[((column * 8 + i) * outputs) / 8 + eight] as number;
      transposeHalfBytes(square);
      for (let k = 0; k < 8; k++)
        result[(eight * 8 + (AWQ_ORDER[k] as number)) * across + column] = square[k] as number;
    }
  }
  return result;
}

/** Transposes eight words of eight half bytes: quarters are swapped, then quarters of quarters (Hacker's Delight, 2nd edition, 7-3). */
function transposeHalfBytes(words: Int32Array): void {
  let mask = 0x0000ffff;
  for (let distance = 4, shift = 16; distance > 0; distance >>= 1, shift >>= 1, mask ^= mask << shift) {
    for (let k = 0; k < 8; k = (k + distance + 1) & ~distance) {
      const low = words[k] as number;
      const high = words[k + distance] as number;
      const swapped = ((low >>> shift) ^ high) & mask;
      words[k] = low ^ (swapped << shift);
      words[k + distance] = high ^ swapped;
    }
  }
}
