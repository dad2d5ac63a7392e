import type { ForwardPass, HostTensor, InputSpec } from "../ops.ts";
import type { Evidence } from "./evidence.ts";

/** A picture as its family's image processor leaves it. */
export interface ProcessedImage {
  /** `[tiles, channels, height, width]`; of Qwen-VL, flattened patches `[patches, features]`. */
  readonly pixels: HostTensor;
  /** Qwen-VL: patches in time, height and width. */
  readonly grid?: readonly [number, number, number];
  /** Height and width of the picture itself, where tiles are cut by them. */
  readonly originalSize?: readonly [number, number];
}

/** From a picture to what takes the place of its tokens: `features` `[1, rows, hiddenSize]`, and `deep0` … where layers get more. */
export interface ImageEncoder {
  readonly pass: ForwardPass;
  /** How many outputs `deep…` there are. */
  readonly deep: number;
  inputsOf(image: ProcessedImage): Readonly<Record<string, HostTensor>>;
  /** Of families whose tokens are places of the picture. */
  readonly tokens?: PictureTokens;
}

/** A picture's tokens as places among which some can be chosen. */
export interface PictureTokens {
  readonly evidence: ReadonlySet<Evidence>;
  /** The encoder's pass, which gives evidence too. */
  observed(kinds: readonly Evidence[]): ForwardPass;
  /** Inputs that it takes besides those of the encoder's own pass. */
  furtherInputsOf?(image: ProcessedImage, kinds: readonly Evidence[]): Readonly<Record<string, HostTensor>>;
  /** From `states` of some patches to `features`, of families whose patches become tokens one by one. */
  readonly project?: ForwardPass;
  /** Whether attention has a class token in front of each tile's patches. */
  readonly classToken: boolean;
  layout(image: ProcessedImage): TokenLayout;
}

/** Where a picture's tokens lie. */
export interface TokenLayout {
  /** Numbers of the patches that each token is made of, as evidence counts them, without class tokens; none of a learned newline. */
  readonly patches: readonly (readonly number[])[];
  /** Tokens in the order in which one reads, line by line. Together these are all that have patches. */
  readonly grids: readonly TokenGrid[];
}

export interface TokenGrid {
  readonly tokens: readonly number[];
  /** Tokens of a line. */
  readonly width: number;
}

/** Tokens of which each is one patch, in tiles of so many along each side. */
export function squareLayout(tiles: number, side: number): TokenLayout {
  const count = side * side;
  return {
    patches: Array.from({ length: tiles * count }, (_, i) => [i]),
    grids: Array.from({ length: tiles }, (_, tile) => ({
      tokens: countFrom(tile * count, count),
      width: side,
    })),
  };
}

/** Whole numbers from `first` on. */
export function countFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Pictures `[tiles, 3, size, size]`. */
export function pixelInput(size: number): InputSpec {
  return { dtype: "F32", shape: [undefined, 3, size, size] };
}

/** Row numbers, as many as it takes. */
export const rowInput: InputSpec = { dtype: "I32", shape: [undefined] };

/** Row numbers as a tensor. */
export function rowTensor(rows: ArrayLike<number>): HostTensor {
  return { shape: [rows.length], data: Int32Array.from(rows) };
}
