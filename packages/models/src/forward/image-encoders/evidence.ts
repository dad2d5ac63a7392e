import type { VisionTower } from "../../description.ts";
import type { Ops } from "../ops.ts";
import type { AttentionWatch, WatchedAttention } from "../vision-transformer.ts";

/**
 * What a choice among a picture's tokens can look at, each an output of its name.
 *
 * - `featureProducts` `[1, tokens, tokens]`: of features with each other
 * - `states` `[1, patches, hiddenSize]`: what the projector takes; `stateProducts` `[1, patches, patches]`: of them with each other
 * - `classAttention` `[tiles, 1, patches]`: attention of the class token in the last layer that is used
 * - `keyProducts` `[1, patches, patches]`: of that layer's keys, averaged over heads, with each other
 * - `objectAttention`, `deepAttention` `[tiles, 1, patches]`: attention of all tokens in a middle layer and in the last one that is used
 *
 * Attention has the class token in front, where there is one.
 */
export const evidenceKinds = [
  "featureProducts",
  "states",
  "stateProducts",
  "classAttention",
  "keyProducts",
  "objectAttention",
  "deepAttention",
] as const;

export type Evidence = (typeof evidenceKinds)[number];

/** Of towers without a class token, whose patches become tokens together. */
export const evidenceOfLayers: ReadonlySet<Evidence> = new Set([
  "featureProducts",
  "objectAttention",
  "deepAttention",
]);

/** Which of a tower's layers show objects: the ninth of CLIP's 24 (arXiv:2508.00553), and those as deep of other towers. */
const OBJECT_DEPTH = 9 / 24;

export interface EvidenceSource {
  /** Layers that are used. */
  readonly depth: number;
  readonly tower: VisionTower;
  readonly classToken: boolean;
  /** Share of the layers before that which shows objects. */
  readonly objectDepth?: number;
}

/** Watches a tower and tells what it saw. */
export function towerEvidence<T>(
  ops: Ops<T>,
  kinds: readonly Evidence[],
  { depth, tower, classToken, objectDepth = OBJECT_DEPTH }: EvidenceSource,
) {
  const deep = depth - 1;
  const object = Math.min(deep, Math.round(objectDepth * tower.layers.length));
  const watched = new Map<number, WatchedAttention<T>>();
  const watch: AttentionWatch<T> = (layer, attention) => {
    if (layer === deep || layer === object) watched.set(layer, attention);
  };
  const received = (layer: number, rows?: T) => {
    const { q, k, heads, bias } = watched.get(layer) as WatchedAttention<T>;
    return ops.receivedAttention(q, k, { heads, kvHeads: heads }, rows, bias);
  };
  const products = (rows: T) => ops.rowProducts(rows, rows);
  return {
    watch,
    /**
     * @param seen features; the states that they are made of, of towers whose patches become tokens one by one; and the rows of class tokens, of
     *   towers that have any
     */
    outputs(seen: { readonly features: T; readonly states?: T; readonly classRows?: T | undefined }) {
      const made: Record<Evidence, () => T> = {
        featureProducts: () => products(ops.stack([seen.features])),
        states: () => ops.stack([seen.states as T]),
        stateProducts: () => products(ops.stack([seen.states as T])),
        classAttention: () => received(deep, seen.classRows),
        keyProducts() {
          const { k, heads } = watched.get(deep) as WatchedAttention<T>;
          const keys = ops.headMean(k, heads);
          return products(ops.stack([classToken ? ops.tokensFrom(keys, 1) : keys]));
        },
        objectAttention: () => received(object),
        deepAttention: () => received(deep),
      };
      return Object.fromEntries(kinds.map((kind) => [kind, made[kind]()]));
    },
  };
}
