import { type ForwardPass, type Ops, squareLayout } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { expect } from "vitest";
import type { DeviceTensor, Executor } from "../executors/executor.ts";
import { ortExecutor } from "../executors/ort/ort-executor.ts";
import { mergeNearest } from "../visual-tokens/merge-nearest.ts";
import type { PictureMethod } from "../visual-tokens/method.ts";
import { visualTokenMethods } from "../visual-tokens/methods.ts";
import { readEvidence } from "../visual-tokens/read-evidence.ts";
import { modelWeights } from "../weights/model-weights.ts";
import {
  type Choices,
  type MadeGolden,
  type MadeShape,
  madeEvidence,
  visualTokenGoldens,
} from "./made-evidence.ts";
import { tinyLlava } from "./tiny-llava.ts";

/** Passes here use none. */
export const none = await modelWeights(await openCheckpoint(tinyLlava));

/** What an encoder would give besides features, by the operations that it uses. */
export function evidencePass({
  heads,
  head_dim: headDim,
  features,
  class_token: classToken,
}: MadeShape): ForwardPass {
  const width = heads * headDim;
  const wide = { dtype: "F32", shape: [1, undefined, width] } as const;
  return {
    inputs: {
      ...{ q: wide, k: wide, objectQ: wide, objectK: wide, states: wide },
      features: { dtype: "F32", shape: [1, undefined, features] },
      classRows: { dtype: "I32", shape: [undefined] },
    },
    run<T>(ops: Ops<T>, given: Readonly<Record<string, T>>) {
      const { q, k, objectQ, objectK, states, classRows } = given as Record<string, T> & Record<"q" | "k", T>;
      const own = { heads, kvHeads: heads };
      const keys = ops.headMean(k, heads);
      const patchKeys = classToken ? ops.tokensFrom(keys, 1) : keys;
      return {
        featureProducts: ops.rowProducts(given.features as T, given.features as T),
        stateProducts: ops.rowProducts(states as T, states as T),
        keyProducts: ops.rowProducts(patchKeys, patchKeys),
        classAttention: ops.receivedAttention(q, k, own, classRows),
        deepAttention: ops.receivedAttention(q, k, own),
        objectAttention: ops.receivedAttention(objectQ as T, objectK as T, own),
      };
    },
  };
}

export async function evidenceOf(name: string, picture: number, executor: Executor) {
  const shape = visualTokenGoldens.shapes[name] as MadeShape;
  const { relevance, ...inputs } = madeEvidence(shape, picture);
  const pass = await executor.prepare(evidencePass(shape), none);
  const classRows = { shape: [1], data: Int32Array.of(0) };
  const tensors = (await pass.run({ ...inputs, classRows })) as Record<string, DeviceTensor>;
  const layout = squareLayout(1, shape.side);
  const candidates = [...layout.patches.keys()];
  const found = await readEvidence(tensors, { classToken: shape.class_token }, layout, candidates, relevance);
  await pass.release();
  return found;
}

const methodNamed = (name: string) =>
  visualTokenMethods.find((method) => method.name === name) as PictureMethod;

/** Holds what every method chooses of a made picture against its golden. */
export async function expectChoices(shape: string, picture: number): Promise<void> {
  const golden = visualTokenGoldens.pictures[shape]?.[picture] as Choices & MadeGolden;
  const evidence = await evidenceOf(shape, picture, ortExecutor());
  const { sizes, zipSizes, ...choices } = golden;
  const chosen = Object.entries(choices as Choices).map(([name, kept]) => [
    name,
    Object.fromEntries(
      Object.keys(kept).map((keep) => [keep, methodNamed(name).choose(evidence, Number(keep)).kept]),
    ),
  ]);
  expect(Object.fromEntries(chosen)).toEqual(choices);
  const kept = golden.divprune?.[64] as readonly number[];
  expect(mergeNearest(evidence.cosines("featureProducts"), kept).sizes).toEqual(sizes);
  if (zipSizes) expect(methodNamed("visionzip").choose(evidence, 64).merged?.sizes).toEqual(zipSizes);
}
