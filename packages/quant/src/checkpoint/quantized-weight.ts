import type { Checkpoint } from "@vlmopt/tensor-io";
import type { BlockSize } from "../blockwise.ts";
import type { FloatDtype } from "../weights.ts";
import type { InputMajorWeight } from "./gptq-awq.ts";
import { readPart, type StoredPart } from "./stored-part.ts";

/** What a quantized weight is, with the tensors that belong to it. */
export type QuantizedWeight<Part = StoredPart> = (
  | {
      readonly format: "pack-quantized";
      readonly scales: Part;
      readonly zeroPoints?: Part;
    }
  | { readonly format: "int-quantized"; readonly scales: Part }
  | {
      readonly format: "bitsandbytes";
      readonly codebook: "nf4" | "fp4";
      readonly blockSize: BlockSize;
      readonly absmax: Part;
      readonly nested?: { readonly absmax: Part; readonly offset: number };
    }
  | {
      readonly format: "nvfp4-pack-quantized" | "mxfp4-pack-quantized";
      readonly scales: Part;
      /** 1 for MXFP4. */
      readonly globalScale: number;
    }
  | InputMajorWeight<Part>
) & {
  /** Of the weight that it stands for. */
  readonly shape: readonly number[];
  /** That the weight had. */
  readonly dtype: FloatDtype;
};

type Format = QuantizedWeight["format"];

/** One whose tensors are in memory. */
export type LoadedWeight<F extends Format = Format> = QuantizedWeight<Uint8Array> & { readonly format: F };

/** Reads the tensors that belong to a weight of this checkpoint. */
export async function readParts<F extends Format>(
  checkpoint: Pick<Checkpoint, "sources">,
  weight: QuantizedWeight & { readonly format: F },
): Promise<LoadedWeight<F>> {
  const parts: StoredPart[] = [];
  withParts(weight, (part) => parts.push(part));
  const read = new Map<StoredPart, Uint8Array>();
  for (const part of parts) read.set(part, await readPart(checkpoint, part));
  return withParts(weight, (part) => read.get(part) as Uint8Array) as LoadedWeight<F>;
}

/** The same weight, with what `take` makes of each of its parts. */
export function withParts<From, To>(
  weight: QuantizedWeight<From>,
  take: (part: From) => To,
): QuantizedWeight<To> {
  switch (weight.format) {
    case "pack-quantized": {
      const { zeroPoints, ...rest } = weight;
      const taken = { ...rest, scales: take(weight.scales) };
      return zeroPoints === undefined ? taken : { ...taken, zeroPoints: take(zeroPoints) };
    }
    case "int-quantized":
    case "nvfp4-pack-quantized":
    case "mxfp4-pack-quantized":
      return { ...weight, scales: take(weight.scales) };
    case "bitsandbytes": {
      const { nested, ...rest } = weight;
      const taken = { ...rest, absmax: take(weight.absmax) };
      return nested === undefined ? taken : { ...taken, nested: { ...nested, absmax: take(nested.absmax) } };
    }
    case "gptq":
    case "awq": {
      const { groupIndices, ...rest } = weight;
      const taken = { ...rest, scales: take(weight.scales), zeroPoints: take(weight.zeroPoints) };
      return groupIndices === undefined ? taken : { ...taken, groupIndices: take(groupIndices) };
    }
  }
}
