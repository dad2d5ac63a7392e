import type { AttentionShape, CachedAttentionShape, RelativePositions } from "@vlmopt/models";
import { featuresOf, type PlainCache, type PlainTensor } from "./plain-tensor.ts";

/** Every token sees every token of its batch. */
export function attend(
  q: PlainTensor,
  k: PlainTensor,
  v: PlainTensor,
  shape: AttentionShape,
  bias?: PlainTensor,
): PlainTensor {
  const [batch, tokens] = q.shape as [number, number];
  const seen = k.shape[1] as number;
  const headDim = featuresOf(q) / shape.heads;
  const result = { shape: q.shape, data: new Float32Array(q.data.length) };
  for (let b = 0; b < batch; b++) {
    for (let head = 0; head < shape.heads; head++) {
      for (let token = 0; token < tokens; token++) {
        const scores = Float64Array.from({ length: seen }, (_, other) => {
          const score = product(
            q,
            b * tokens + token,
            head,
            k,
            b * seen + other,
            kvHeadOf(head, shape),
            headDim,
          );
          const added = bias === undefined ? 0 : biasAt(bias, b, head, token, other);
          return score * (shape.scale ?? headDim ** -0.5) + added;
        });
        blend(result, b * tokens + token, head, v, b * seen, kvHeadOf(head, shape), headDim, softmax(scores));
      }
    }
  }
  return result;
}

/** What each token receives of the attention of one query of each batch, or of all. */
export function receivedAttention(
  q: PlainTensor,
  k: PlainTensor,
  shape: AttentionShape,
  rows?: PlainTensor,
  bias?: PlainTensor,
): PlainTensor {
  const [batch, tokens] = q.shape as [number, number];
  const seen = k.shape[1] as number;
  const headDim = featuresOf(q) / shape.heads;
  const scale = shape.scale ?? headDim ** -0.5;
  const data = new Float32Array(batch * seen);
  for (let b = 0; b < batch; b++) {
    const queries =
      rows === undefined
        ? Array.from({ length: tokens }, (_, token) => token)
        : [(rows.data[b] as number) - b * tokens];
    const sums = new Float64Array(seen);
    for (const token of queries) {
      for (let head = 0; head < shape.heads; head++) {
        const scores = Float64Array.from({ length: seen }, (_, other) => {
          const kRow = b * seen + other;
          const score = product(q, b * tokens + token, head, k, kRow, kvHeadOf(head, shape), headDim);
          return score * scale + (bias === undefined ? 0 : biasAt(bias, b, head, token, other));
        });
        for (const [other, share] of softmax(scores).entries()) sums[other] = (sums[other] as number) + share;
      }
    }
    data.set(
      sums.map((sum) => sum / (queries.length * shape.heads)),
      b * seen,
    );
  }
  return { shape: [batch, 1, seen], data };
}

/** What each pair's distance adds to its score. */
export function relativeScores(
  q: PlainTensor,
  k: PlainTensor,
  { keys, queries, rows }: RelativePositions<PlainTensor>,
  { heads, scale }: { readonly heads: number; readonly scale: number },
  bias: PlainTensor,
): PlainTensor {
  const [batch, tokens, features] = q.shape as [number, number, number];
  const headDim = features / heads;
  const data = new Float32Array(batch * heads * tokens * tokens);
  for (let i = 0; i < data.length; i++) {
    const other = i % tokens;
    const token = Math.floor(i / tokens) % tokens;
    const head = Math.floor(i / (tokens * tokens)) % heads;
    const b = Math.floor(i / (tokens * tokens * heads));
    const row = rows.data[token * tokens + other] as number;
    const toPosition =
      keys === undefined ? 0 : product(q, b * tokens + token, head, keys, row, head, headDim);
    const toContent =
      queries === undefined ? 0 : product(k, b * tokens + other, head, queries, row, head, headDim);
    data[i] = (toPosition + toContent) * scale + biasAt(bias, b, head, token, other);
  }
  return { shape: [batch, heads, tokens, tokens], data };
}

/** Writes the new keys and values down, then lets each token see what its shape allows. */
export function attendCached(
  q: PlainTensor,
  k: PlainTensor,
  v: PlainTensor,
  shape: CachedAttentionShape,
  cache: PlainCache,
  bias?: PlainTensor,
): PlainTensor {
  const [batch, tokens] = q.shape as [number, number];
  const { layer, headDim, heads, kvHeads, softcap, window } = shape;
  const stored = [cache.batch, cache.capacity, kvHeads * headDim];
  const keys = { shape: stored, data: cache.keys[layer] as Float32Array };
  const values = { shape: stored, data: cache.values[layer] as Float32Array };
  const result = { shape: q.shape, data: new Float32Array(q.data.length) };
  for (let b = 0; b < batch; b++) {
    const past = cache.lengths[b] as number;
    const first = b * cache.capacity;
    // Padding may reach past the end; nobody sees it.
    const kept = Math.min(tokens, cache.capacity - past);
    const rows = ({ data }: PlainTensor) =>
      (data as Float32Array).subarray(
        b * tokens * kvHeads * headDim,
        (b * tokens + kept) * kvHeads * headDim,
      );
    keys.data.set(rows(k), (first + past) * kvHeads * headDim);
    values.data.set(rows(v), (first + past) * kvHeads * headDim);
    for (let head = 0; head < heads; head++) {
      for (let token = 0; token < kept; token++) {
        const last = past + token;
        const seen = bias === undefined ? last + 1 : cache.capacity;
        const scores = Float64Array.from({ length: seen }, (_, other) => {
          if (bias === undefined && window !== undefined && other <= last - window)
            return Number.NEGATIVE_INFINITY;
          const raw = product(
            q,
            b * tokens + token,
            head,
            keys,
            first + other,
            kvHeadOf(head, shape),
            headDim,
          );
          const score = raw * (shape.scale ?? headDim ** -0.5);
          const capped = softcap === undefined ? score : softcap * Math.tanh(score / softcap);
          return capped + (bias === undefined ? 0 : biasAt(bias, b, head, token, other));
        });
        blend(
          result,
          b * tokens + token,
          head,
          values,
          first,
          kvHeadOf(head, shape),
          headDim,
          softmax(scores),
        );
      }
    }
  }
  return result;
}

function kvHeadOf(head: number, { heads, kvHeads }: AttentionShape): number {
  return Math.floor((head * kvHeads) / heads);
}

function product(
  a: PlainTensor,
  rowA: number,
  headA: number,
  b: PlainTensor,
  rowB: number,
  headB: number,
  headDim: number,
): number {
  const [startA, startB] = [rowA * featuresOf(a) + headA * headDim, rowB * featuresOf(b) + headB * headDim];
  let sum = 0;
  for (let i = 0; i < headDim; i++) sum += (a.data[startA + i] as number) * (b.data[startB + i] as number);
  return sum;
}

function blend(
  result: PlainTensor,
  row: number,
  head: number,
  values: PlainTensor,
  firstRow: number,
  valueHead: number,
  headDim: number,
  shares: Float64Array,
): void {
  const target = row * featuresOf(result) + head * headDim;
  for (let i = 0; i < headDim; i++) {
    let sum = 0;
    for (let other = 0; other < shares.length; other++) {
      const at = (firstRow + other) * featuresOf(values) + valueHead * headDim + i;
      sum += (shares[other] as number) * (values.data[at] as number);
    }
    result.data[target + i] = sum;
  }
}

/** An axis of length 1 serves for all. */
function biasAt({ shape, data }: PlainTensor, ...place: readonly [number, number, number, number]): number {
  let at = 0;
  for (const [axis, size] of shape.entries()) at = at * size + (size === 1 ? 0 : (place[axis] as number));
  return data[at] as number;
}

function softmax(scores: Float64Array): Float64Array {
  const largest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
