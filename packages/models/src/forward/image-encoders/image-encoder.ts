import type { ForwardPass, HostTensor, InputSpec } from "../ops.ts";

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
