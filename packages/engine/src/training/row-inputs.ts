import type { HostTensor, ModelForward } from "@vlmopt/models";
import { concatenated } from "../executors/concatenated.ts";
import { featureNames, type ImageFeatures } from "../image-features.ts";
import { type PackedRow, visibleTokens } from "./packed-rows.ts";
import { visibleInput } from "./training-pass.ts";

/** What a picture's features are on the host, by the names of `featureNames`; `seen` alone where the projector learns. */
export type FeaturesOf = (
  image: ImageFeatures,
) => Readonly<Record<string, { readonly data: Float32Array; readonly size: number }>>;

/** Tokens of each row, padding counted. */
export function paddedTokens(rows: readonly PackedRow[]): number {
  return Math.max(...rows.map(({ ids }) => ids.length));
}

/**
 * What a training pass takes of rows that run together; shorter ones are padded at the end.
 * @param wantedOf tokens of a row that outputs are wanted of
 */
export function rowInputs(
  forward: ModelForward,
  rows: readonly PackedRow[],
  wantedOf: (row: PackedRow) => readonly number[],
  featuresOf: FeaturesOf,
): Readonly<Record<string, HostTensor>> {
  const tokens = paddedTokens(rows);
  const through = (places: (row: PackedRow) => readonly number[]) =>
    rows.flatMap((row, n) => places(row).map((place) => n * tokens + place));
  const inputs: Record<string, HostTensor> = {
    ...forward.decoderInputs({
      sequences: rows.map(({ ids, positions }) => ({ ids, positions, past: 0 })),
      wanted: through(wantedOf),
      capacity: tokens,
    }),
  };
  for (const window of new Set(forward.windows))
    inputs[visibleInput(window)] = visibleTokens(rows, tokens, window);
  if (forward.imageEncoder === undefined) return inputs;
  const imageRows = Int32Array.from(through((row) => row.imageRows));
  inputs.imageRows = { shape: [imageRows.length], data: imageRows };
  const parts = rows.flatMap(({ images }) => images.map(featuresOf));
  const names = parts[0]?.seen === undefined ? featureNames(forward) : ["seen"];
  for (const name of names) {
    const data = concatenated(parts.map((part) => part[name]?.data ?? new Float32Array()));
    const size = parts[0]?.[name]?.size ?? forward.parts.embed.inputs.features?.shape.at(-1) ?? 1;
    inputs[name] = { shape: [1, data.length / size, size], data };
  }
  return inputs;
}
