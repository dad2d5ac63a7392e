import { anything, checkOptions, finite, oneOf } from "@vlmopt/options";
import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io/browser";
import { decodeE2m1, type E2m1Weights, encodeE2m1, type GroupScaling } from "./e2m1.ts";
import { largestOf } from "./largest-magnitude.ts";
import type { FloatDtype, Weights } from "./weights.ts";

/** Weights under one scale, next to each other in a row. */
export const NVFP4_GROUP_SIZE = 16;

/** NVIDIA's 4-bit floats: E2M1 numbers in groups of 16, times an E4M3 scale, over a scale of all of them. */
export interface Nvfp4Weights extends E2m1Weights {
  /** What scales are divided by. */
  readonly globalScale: number;
}

export interface Nvfp4Options {
  /**
   * How the scales of groups are found: absmax / 6 (unless told), bit for bit as compressed-tensors does in float32 (0.20,
   * `generate_gparam`, `calculate_qparams`, `quantize`), or the ones of least squared error.
   */
  readonly scales?: "compressed-tensors" | "search";
  /** Of each column, how much an error there counts in the search; weights are whole rows of as many. */
  readonly importance?: Float32Array | undefined;
  /** From `nvfp4GlobalScale` of these weights unless told; that of all the weights that are to share it. */
  readonly globalScale?: number;
}

/** Largest number of E4M3 times the largest one of E2M1: what the largest of all weights becomes. */
const LARGEST = 448 * 6;
const SMALLEST_NORMAL = 2 ** -126;

/** The scale of a whole matrix, which makes use of all of E4M3's range; 1 where it would be infinite. */
export function nvfp4GlobalScale(largestMagnitude: number): number {
  // PyTorch divides a number by a tensor in two steps.
  const scale = Math.fround(LARGEST * Math.fround(1 / Math.max(largestMagnitude, SMALLEST_NORMAL)));
  return Number.isFinite(scale) ? scale : 1;
}

/**
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 * @throws {RangeError} where groups do not divide the weights
 */
export function encodeNvfp4(weights: Weights, options: Nvfp4Options = {}): Nvfp4Weights {
  checkOptions("encodeNvfp4", options, {
    scales: oneOf(["compressed-tensors", "search"]),
    importance: anything,
    globalScale: finite({ above: 0 }),
  });
  const {
    scales = "compressed-tensors",
    globalScale = nvfp4GlobalScale(largestOf(weights)),
    importance,
  } = options;
  return { ...encodeE2m1(weights, scalingBy(globalScale), scales === "search", importance), globalScale };
}

export function decodeNvfp4(encoded: Nvfp4Weights, dtype: FloatDtype): Uint8Array {
  const { globalScale } = encoded;
  return decodeE2m1(encoded, { groupSize: NVFP4_GROUP_SIZE, table: tableOf(globalScale) }, dtype);
}

function scalingBy(globalScale: number): GroupScaling {
  return {
    groupSize: NVFP4_GROUP_SIZE,
    table: tableOf(globalScale),
    codesFor(largest) {
      const scales = largest.map((magnitude) => Math.min(448, globalScale * Math.fround(magnitude / 6)));
      const codes = fromFloat32(scales, "F8_E4M3");
      return codes.map((code) => (code === 0 ? AN_EIGHTH : code));
    },
    // Eight codes to an octave: from 0.7 of the scale that has the largest weight become 6 to the one that has it become 4.
    candidates: { below: 4, above: 6, first: 1, last: 0x7e },
  };
}

/** What compressed-tensors makes of scales of 0. */
const AN_EIGHTH = 0x20;

/** E4M3 numbers over the global scale. */
function tableOf(globalScale: number): Float32Array {
  const numbers = toFloat32(
    Uint8Array.from({ length: 256 }, (_, code) => code),
    "F8_E4M3",
  );
  return numbers.map((number) => number / globalScale);
}
