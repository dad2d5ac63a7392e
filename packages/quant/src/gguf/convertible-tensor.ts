import type { EncodableType } from "./ggml-type.ts";

/** A tensor of a GGUF file and the one of the checkpoint that it is made of. */
export interface ConvertibleTensor {
  readonly name: string;
  /** Name in the checkpoint. */
  readonly source: string;
  readonly type: EncodableType;
  /** Where set, the rows of each head of so many are reordered for llama.cpp's rotary embedding; see `interleaveHeads`. */
  readonly headDim?: number;
  /** What is added to its numbers. */
  readonly offset?: number;
}
