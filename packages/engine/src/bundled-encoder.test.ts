import { readFileSync } from "node:fs";
import { type EncodedText, type Encoder, loadEncoder } from "@vlmopt/engine";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { encoderFixture } from "./test-support/goldens.ts";

/** BERTScore by bert_score with all-MiniLM-L6-v2 as published, in f32, at this layer (tools/reference/engine_minilm.py). */
const { layer, pairs } = JSON.parse(
  readFileSync(new URL("../goldens/minilm.json", import.meta.url), "utf8"),
) as {
  layer: number;
  pairs: readonly { prediction: string; reference: string; precision: number; recall: number; f1: number }[];
};

let encoder: Encoder;
beforeAll(async () => {
  vi.stubGlobal("fetch", () => {
    throw new Error("nothing may be fetched");
  });
  encoder = await loadEncoder(encoderFixture("minilm"));
});
afterAll(async () => {
  vi.unstubAllGlobals();
  await encoder.release();
});

test("the bundled encoder ends at the layer that it was measured at", () => {
  expect(encoder).toMatchObject({ layer, hiddenSize: 384 });
});

test("with the bundled encoder in 8 bits, BERTScore stays within .002 of the published weights' for each of 300 pairs", async () => {
  const predictions = await encoder.encode(pairs.map(({ prediction }) => prediction));
  const references = await encoder.encode(pairs.map(({ reference }) => reference));
  const differences = pairs.map(({ f1 }, n) => Math.abs(bertScore(predictions[n], references[n]) - f1));
  expect(differences).toHaveLength(300);
  expect(Math.max(...differences)).toBeLessThan(0.002);
  expect(differences.reduce((sum, difference) => sum + difference, 0) / 300).toBeLessThan(0.0005);
});

/** F1 of each token's closest match; special tokens may be matched, and do not count (Zhang et al. 2020). */
function bertScore(prediction: EncodedText | undefined, reference: EncodedText | undefined): number {
  const [a, b] = [unitVectors(prediction), unitVectors(reference)];
  const [precision, recall] = [meanOfClosest(a, b), meanOfClosest(b, a)];
  return (2 * precision * recall) / (precision + recall);
}

interface TokenVector {
  readonly vector: Float32Array;
  readonly counts: boolean;
}

function unitVectors(text: EncodedText | undefined): TokenVector[] {
  const { ids, special, embeddings } = text as EncodedText;
  return [...ids.keys()].map((token) => {
    const vector = embeddings.slice(token * encoder.hiddenSize, (token + 1) * encoder.hiddenSize);
    const length = Math.sqrt(dot(vector, vector));
    return { vector: vector.map((value) => value / length), counts: special[token] === 0 };
  });
}

function meanOfClosest(tokens: readonly TokenVector[], others: readonly TokenVector[]): number {
  const closest = tokens
    .filter(({ counts }) => counts)
    .map(({ vector }) => Math.max(...others.map((other) => dot(vector, other.vector))));
  return closest.reduce((sum, value) => sum + value, 0) / closest.length;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
