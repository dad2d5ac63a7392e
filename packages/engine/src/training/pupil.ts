import {
  ConfigError,
  describeModel,
  type ModelDescription,
  type ModelForward,
  modelForward,
} from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io/browser";
import { recordPass, weightsOf } from "../executors/recorded-pass.ts";
import { readConfig } from "../read-json.ts";
import { type ModelWeights, modelWeights, readFloats } from "../weights/model-weights.ts";
import { lowRankNames } from "./training-pass.ts";

/** A model that learns, or is learned from. */
export interface Pupil {
  readonly checkpoint: Checkpoint;
  readonly weights: ModelWeights;
  readonly description: ModelDescription;
  readonly forward: ModelForward;
}

export async function pupilOf(checkpoint: Checkpoint): Promise<Pupil> {
  const config = await readConfig(checkpoint);
  const weights = await modelWeights(checkpoint);
  const description = describeModel(config, weights.specs);
  return { checkpoint, weights, description, forward: modelForward(config, description) };
}

export function layersOf({ description }: Pupil): readonly number[] {
  return description.languageModel.layers.map(({ index }) => index);
}

/** Shapes of the weights of some layers and, where these are all, of the final norm. */
export function ownShapes(pupil: Pupil, layers: readonly number[]): Map<string, readonly number[]> {
  const { forward, weights } = pupil;
  const passes = layers.flatMap((layer) =>
    (["attention", "mlp"] as const).map((kind) => forward.parts.block({ layer, kind }, weights).pass),
  );
  const names = passes.flatMap((pass) => [...weightsOf(recordPass(pass))]);
  const gain = forward.parts.finalNorm?.weight;
  if (gain !== undefined && layers.length === layersOf(pupil).length) names.push(gain);
  return shapesOf(pupil, names);
}

export function linearsOf({ forward, description }: Pupil): string[] {
  const used = description.languageModel.layers.flatMap(({ index: layer }) =>
    (["attention", "mlp"] as const).flatMap(
      (kind) => recordPass(forward.parts.block({ layer, kind }).pass).nodes,
    ),
  );
  return used.flatMap((node) => (node.op === "linear" ? [node.weight] : []));
}

/** @throws {ConfigError} where one is stored in few bits, which no gradient moves */
export function shapesOf(
  { weights, checkpoint }: Pupil,
  names: readonly string[],
): Map<string, readonly number[]> {
  return new Map(
    names.map((name) => {
      if (weights.find(name).quantized !== undefined) {
        throw new ConfigError(
          `${name} of ${checkpoint.location} is quantized, and rounded weights cannot learn: recover the pruned model first and quantize it then (vlmopt dequantize gives its weights back)`,
        );
      }
      return [name, weights.specs.get(name)?.shape ?? []];
    }),
  );
}

export function lowRankShapes(
  pupil: Pupil,
  linears: ReadonlySet<string>,
  rank: number,
): Map<string, readonly number[]> {
  const found = new Map<string, readonly number[]>();
  for (const [name, [out = 1, columns = 1]] of shapesOf(pupil, [...linears])) {
    const [a, b] = lowRankNames(name);
    found.set(a, [rank, columns]).set(b, [out, rank]);
  }
  return found;
}

/** Weights as they are stored; those that are not stored yet are left to whoever trains them. */
export async function storedNumbers(
  weights: ModelWeights,
  trained: ReadonlyMap<string, unknown>,
): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const name of trained.keys())
    if (weights.specs.has(name)) found.set(name, Float32Array.from(await readFloats(weights, name)));
  return found;
}

/** Bytes that stay of a token's way through some layers until its derivative is known: what goes into and out of each operation, in F32. */
export function activationBytes(
  { description }: Pupil,
  layers: readonly number[],
  rowTokens: number,
): number {
  const { languageModel } = description;
  const numbers = layers.map((index) => {
    const { attention, mlp } = languageModel.layers[index] as (typeof languageModel.layers)[number];
    const wide = mlp.kind === "gated" ? mlp.downProj : mlp.fc2;
    return 20 * languageModel.hiddenSize + 8 * wide.inFeatures + 2 * attention.numHeads * rowTokens;
  });
  return 4 * numbers.reduce((sum, count) => sum + count, 0);
}
