import type { Checkpoint } from "@vlmopt/tensor-io";
import { readPart, type StoredPart } from "../checkpoint/stored-part.ts";
import type { Codebook } from "../codebook.ts";
import type { FloatDtype } from "../weights.ts";

/** What an executor has to know to compute with a weight as it is stored, whatever format wrote it. */
export type Layout =
  | {
      readonly kind: "integers";
      readonly bits: 2 | 3 | 4 | 8;
      /** Weights of a row under one scale. */
      readonly groupSize: number;
      /** Of the scales. */
      readonly scaleDtype: FloatDtype;
      readonly zeroPoints: boolean;
      /**
       * What the tensor of the numbers holds, row after row: `packed` codes of `bits` bits, from the lowest bit of the first byte on;
       * `signed` bytes, codes less 128; or `otherwise`, so that the format has to unpack them.
       */
      readonly stored: "packed" | "signed" | "otherwise";
    }
  | {
      readonly kind: "codebook";
      readonly codebook: Codebook["name"];
      /** Weights under one scale, which may go on in the next row. Two numbers a byte, the earlier one in the high half. */
      readonly blockSize: number;
    }
  /** One that executors cannot compute with: weights are decoded first. */
  | { readonly kind: "other" };

export type IntegerLayout = Layout & { readonly kind: "integers" };

/** A weight that is stored in fewer bits, as plain data: threads can be sent it. */
export interface QuantizedWeight<Part = StoredPart> {
  /** Name of the format that decodes it. */
  readonly format: string;
  /** Of the weight that it stands for. */
  readonly shape: readonly number[];
  /** That the weight had. */
  readonly dtype: FloatDtype;
  readonly layout: Layout;
  /** Tensors beside the one that holds the numbers, by what the format calls them. */
  readonly beside: Readonly<Record<string, Part>>;
  /** What else the format has to know. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** One whose tensors are in memory. */
export type LoadedWeight = QuantizedWeight<Uint8Array>;

/** Reads the tensors that belong to a weight of this checkpoint. */
export async function readParts(
  checkpoint: Pick<Checkpoint, "sources">,
  weight: QuantizedWeight,
): Promise<LoadedWeight> {
  const beside: Record<string, Uint8Array> = {};
  for (const [name, part] of Object.entries(weight.beside)) beside[name] = await readPart(checkpoint, part);
  return { ...weight, beside };
}
