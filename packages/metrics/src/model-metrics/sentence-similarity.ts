import { checkOptions, object } from "@vlmopt/options";
import type { EncodedText, Encoder } from "../bertscore/encoder.ts";
import { signature } from "../signature.ts";
import { type ModelMetric, meanModelMetric } from "./model-metric.ts";

/**
 * The cosine of the means of all tokens' vectors, as sentence-transformers pools them (Reimers and Gurevych 2019), with the most similar reference. It is a number from -1
 * to 1, and of little use without a floor: sentences about nothing in common are far from 0.
 */
export function sentenceSimilarity(options: { readonly encoder: Encoder }): ModelMetric {
  checkOptions("sentenceSimilarity", options, { encoder: object }, ["encoder"]);
  const { encoder } = options;
  const name = signature("sentence-similarity", {
    model: encoder.name,
    layer: String(encoder.layer),
    pooling: "mean",
  });
  return meanModelMetric(
    "sentence-similarity",
    ["sentence-similarity"],
    name,
    async (predictions, references) => {
      const texts = [...new Set([...predictions, ...references.flat()])];
      const encoded = await encoder.encode(texts);
      const vectors = new Map(texts.map((text, i) => [text, unitMean(encoded[i] as EncodedText)]));
      const cosine = (a: string, b: string) => {
        const [x, y] = [vectors.get(a) ?? new Float64Array(0), vectors.get(b) ?? new Float64Array(0)];
        return x.reduce((sum, value, k) => sum + value * (y[k] as number), 0);
      };
      return predictions.map((prediction, i) =>
        Float64Array.of(Math.max(...(references[i] ?? []).map((reference) => cosine(prediction, reference)))),
      );
    },
  );
}

/** The mean of the tokens' vectors, of length 1. */
function unitMean({ ids, embeddings }: EncodedText): Float64Array {
  const size = embeddings.length / ids.length;
  const mean = new Float64Array(size);
  for (let i = 0; i < embeddings.length; i++)
    mean[i % size] = (mean[i % size] as number) + (embeddings[i] as number);
  const length = Math.hypot(...mean);
  return length === 0 ? mean : mean.map((value) => value / length);
}
