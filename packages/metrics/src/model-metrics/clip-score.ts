import { checkOptions, object, text, whole } from "@vlmopt/options";
import { type CorpusResult, MetricInputError } from "../metric.ts";
import { signature } from "../signature.ts";
import type { Aggregation } from "../statistics/resample.ts";
import { meanResult, meansOf } from "./model-metric.ts";

/** A model that puts pictures and texts into one space. Vectors may be of any length. */
export interface ClipEncoder<Image> {
  /** What the signature calls the model. */
  readonly name: string;
  encodeImages(images: readonly Image[]): Promise<readonly Float32Array[]>;
  encodeTexts(texts: readonly string[]): Promise<readonly Float32Array[]>;
}

export interface ClipScoreOptions<Image> {
  readonly encoder: ClipEncoder<Image>;
  /** Stands before every text; "A photo depicts " unless told, as in the authors' code. */
  readonly prefix?: string;
  /** Pictures or texts that the encoder gets at once; 64 unless told. */
  readonly batchSize?: number;
}

export interface ClipScore<Image> extends Aggregation {
  readonly name: string;
  readonly signature: string;
  /** Without references, `refclipscore` is 0. */
  corpus(
    predictions: readonly string[],
    images: readonly Image[],
    references?: readonly (readonly string[])[],
  ): Promise<CorpusResult>;
}

/** Stretches cosines of pictures and texts, which lie between 0 and some .4, to the unit interval. */
const WEIGHT = 2.5;

/**
 * CLIPScore (Hessel et al. 2021): 2.5 · max(cos(picture, text), 0); `refclipscore` is its harmonic mean with the greatest cosine of the
 * text with a reference, or 0 where that is below. Means over the items.
 */
export function clipScore<Image>(options: ClipScoreOptions<Image>): ClipScore<Image> {
  checkOptions("clipScore", options, { encoder: object, prefix: text, batchSize: whole() }, ["encoder"]);
  const { encoder, prefix = "A photo depicts ", batchSize = 64 } = options;
  const means = meansOf(["clipscore", "refclipscore"]);
  const name = signature("clipscore", {
    model: encoder.name,
    weight: WEIGHT,
    prefix: prefix.trim().replaceAll(" ", "-") || "no",
  });
  return {
    name: "clipscore",
    signature: name,
    ...means,
    async corpus(predictions, images, references) {
      for (const [what, list] of Object.entries({ images, ...(references ? { references } : {}) }))
        if (list.length !== predictions.length)
          throw new MetricInputError(
            `there are ${predictions.length} predictions and ${list.length} ${what}`,
          );
      if (predictions.length === 0) throw new MetricInputError("there are no predictions to score");
      const pictures = await inBatches(images, batchSize, (batch) => encoder.encodeImages(batch));
      const unique = [...new Set([...predictions, ...(references ?? []).flat()])];
      const vectors = await inBatches(
        unique.map((text) => prefix + text),
        batchSize,
        (batch) => encoder.encodeTexts(batch),
      );
      const vectorOf = new Map(unique.map((text, i) => [text, vectors[i] as Float32Array]));
      const statistics = predictions.map((prediction, i) => {
        const text = vectorOf.get(prediction) as Float32Array;
        const seen = WEIGHT * Math.max(0, cosine(pictures[i] as Float32Array, text));
        const told = (references?.[i] ?? []).map((other) =>
          cosine(text, vectorOf.get(other) as Float32Array),
        );
        const best = Math.max(0, ...told);
        return Float64Array.of(seen, seen + best === 0 ? 0 : (2 * seen * best) / (seen + best));
      });
      return meanResult(means, name, statistics);
    },
  };
}

async function inBatches<T>(
  all: readonly T[],
  size: number,
  encode: (batch: readonly T[]) => Promise<readonly Float32Array[]>,
): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (let i = 0; i < all.length; i += size) vectors.push(...(await encode(all.slice(i, i + size))));
  return vectors;
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [a[k] as number, b[k] as number];
    product += x * y;
    squaresA += x * x;
    squaresB += y * y;
  }
  return squaresA === 0 || squaresB === 0 ? 0 : product / Math.sqrt(squaresA * squaresB);
}
