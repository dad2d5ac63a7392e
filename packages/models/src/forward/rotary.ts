import type { ConfigReader } from "../config-reader.ts";
import type { MropeTraits } from "../decoder-traits.ts";
import { ConfigError } from "../description.ts";
import type { HostTensor } from "./ops.ts";

/** Rotary position embedding (arXiv:2104.09864): by how much each pair of features of a head turns from one position to the next. */
export interface RotarySettings {
  /** Radians a position, for each pair `[headDim / 2]`. */
  readonly frequencies: Float32Array;
  /** Which of a token's positions (0 time, 1 height, 2 width) turns each pair, in models whose tokens have three; else all 0. */
  readonly axes: Uint8Array;
}

/** What a text model's configuration may leave out. */
interface RotaryDefaults {
  readonly theta: number;
  readonly maxPositions: number;
  readonly mrope?: MropeTraits | undefined;
}

/** @throws {ConfigError} for kinds of scaling that are not known */
export function rotarySettings(
  text: ConfigReader,
  headDim: number,
  { theta: fallback, maxPositions, mrope }: RotaryDefaults,
): RotarySettings {
  // Older configurations spread over `rope_theta` and `rope_scaling` what newer ones gather; where both are there, transformers reads these.
  const older = text.child("rope_scaling");
  const rope = older.isEmpty ? text.child("rope_parameters") : older;
  const theta = rope.number("rope_theta", text.number("rope_theta", fallback));
  const type = rope.text("rope_type", rope.text("type", "default"));
  const plain = frequenciesOf(theta, headDim / 2);
  return { frequencies: scaled(plain, type, rope, maxPositions), axes: axesOf(rope, mrope, headDim / 2) };
}

/** Frequencies of a vision transformer's two axes: the first half of the pairs turns with the row, the second with the column. */
export function axialRotarySettings(theta: number, headDim: number): RotarySettings {
  const half = frequenciesOf(theta, headDim / 4);
  const frequencies = new Float32Array(headDim / 2);
  frequencies.set(half);
  frequencies.set(half, half.length);
  return { frequencies, axes: Uint8Array.from(frequencies, (_, pair) => (pair < half.length ? 0 : 1)) };
}

/** θ^(−i/pairs) in single precision, as PyTorch computes it. */
function frequenciesOf(theta: number, pairs: number): Float32Array {
  return Float32Array.from({ length: pairs }, (_, i) => 1 / Math.fround(theta ** Math.fround(i / pairs)));
}

function scaled(
  frequencies: Float32Array,
  type: string,
  rope: ConfigReader,
  maxPositions: number,
): Float32Array {
  switch (type) {
    case "default":
    case "mrope":
      return frequencies;
    case "linear":
      return frequencies.map((frequency) => frequency / rope.number("factor", 1));
    case "llama3":
      return frequencies.map((frequency) => llama3(frequency, rope, maxPositions));
    default:
      throw new ConfigError(
        `${[...rope.path, "rope_type"].join(".")} "${type}" is not known; known are default, linear, llama3, mrope`,
      );
  }
}

/** Llama 3.1: long waves are stretched by `factor`, short ones stay, those between are blended. */
function llama3(frequency: number, rope: ConfigReader, maxPositions: number): number {
  const [factor, low, high] = [
    rope.number("factor", 8),
    rope.number("low_freq_factor", 1),
    rope.number("high_freq_factor", 4),
  ];
  const context = rope.number("original_max_position_embeddings", maxPositions);
  const waves = (context * frequency) / (2 * Math.PI);
  if (waves < low) return frequency / factor;
  if (waves > high) return frequency;
  const share = (waves - low) / (high - low);
  return (1 - share) * (frequency / factor) + share * frequency;
}

function axesOf(rope: ConfigReader, mrope: MropeTraits | undefined, pairs: number): Uint8Array {
  const axes = new Uint8Array(pairs);
  if (mrope === undefined) return axes;
  const sections = rope.sizes("mrope_section", mrope.sections);
  if (mrope.interleaved) {
    for (const axis of [1, 2]) {
      for (let pair = axis; pair < 3 * (sections[axis] ?? 0); pair += 3) axes[pair] = axis;
    }
    return axes;
  }
  let start = 0;
  for (const [axis, length] of sections.entries()) {
    axes.fill(axis, start, start + length);
    start += length;
  }
  return axes;
}

/**
 * Cosines and sines of tokens at positions, each `[tokens, headDim / 2]`.
 * @param positions of each axis, `[tokens]` each; an axis that is missing is the first
 */
export function rotaryTables(
  { frequencies, axes }: RotarySettings,
  positions: readonly Int32Array[],
): { cos: HostTensor; sin: HostTensor } {
  const [first = new Int32Array()] = positions;
  const pairs = frequencies.length;
  const shape = [first.length, pairs];
  const cos = new Float32Array(first.length * pairs);
  const sin = new Float32Array(cos.length);
  for (let pair = 0; pair < pairs; pair++) {
    const axis = positions[axes[pair] as number] ?? first;
    const frequency = frequencies[pair] as number;
    for (let token = 0; token < first.length; token++) {
      const angle = Math.fround((axis[token] as number) * frequency);
      cos[token * pairs + pair] = Math.cos(angle);
      sin[token * pairs + pair] = Math.sin(angle);
    }
  }
  return { cos: { shape, data: cos }, sin: { shape, data: sin } };
}
