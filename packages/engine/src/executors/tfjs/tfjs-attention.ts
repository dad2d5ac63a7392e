import type { AttentionShape, CachedAttentionShape, RelativePositions } from "@vlmopt/models";
import type { Tensor, TensorFlow } from "./tensorflow.ts";
import type { LayerBlocks, TfjsStep } from "./tfjs-cache.ts";
import { gatherRows } from "./tfjs-rows.ts";

/** Every token sees every token of its batch. */
export function attend(
  tf: TensorFlow,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  shape: SharesShape,
  bias?: Tensor,
): Tensor {
  const [keys, values] = [headsOf(tf, k, shape.kvHeads), headsOf(tf, v, shape.kvHeads)];
  return attendBlocks(tf, q, [keys], [values], shape, bias);
}

/** New tokens see earlier ones and those of themselves that come no later, all of which the step keeps. */
export function attendCached(
  tf: TensorFlow,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  shape: CachedAttentionShape,
  step: TfjsStep,
  bias?: Tensor,
): Tensor {
  const added: LayerBlocks = {
    keys: [headsOf(tf, k, shape.kvHeads)],
    values: [headsOf(tf, v, shape.kvHeads)],
  };
  const earlier = step.earlier(shape.layer);
  const visible =
    bias === undefined ? step.visible(q.shape[1] as number, shape.window) : step.visibleBy(bias);
  const keys = [...earlier.keys, ...added.keys];
  const values = [...earlier.values, ...added.values];
  const result = attendBlocks(tf, q, keys, values, shape, visible);
  step.keep(shape.layer, added);
  return result;
}

/** What each token receives of the attention of one query of each batch, or of all: `[b, 1, s]`. */
export function receivedAttention(
  tf: TensorFlow,
  q: Tensor,
  k: Tensor,
  shape: AttentionShape,
  rows: Tensor | undefined,
  bias: Tensor | undefined,
): Tensor {
  const [batch = 1, tokens = 1, features = 1] = q.shape;
  const flat = (x: Tensor) => tf.reshape(x, [batch * tokens, x.size / (batch * tokens)]);
  const asked = rows === undefined ? q : tf.reshape(gatherRows(tf, flat(q), rows), [batch, 1, features]);
  const oneForAll = rows === undefined || bias === undefined || bias.shape[2] === 1;
  const ofRows = () => {
    const whole = tf.add(bias as Tensor, tf.zeros([batch, 1, tokens, 1]));
    return tf.reshape(gatherRows(tf, flat(whole), rows as Tensor), [batch, 1, 1, -1]);
  };
  const keys = headsOf(tf, k, shape.kvHeads);
  const shares = sharesOf(tf, asked, [keys], shape, oneForAll ? bias : ofRows());
  return tf.expandDims(tf.mean(shares, [1, 2]), 1);
}

/** Keys and values in blocks, one behind the other: `[b, kvHeads, of the block, d]`. */
function attendBlocks(
  tf: TensorFlow,
  q: Tensor,
  keys: readonly Tensor[],
  values: readonly Tensor[],
  shape: SharesShape,
  bias: Tensor | undefined,
): Tensor {
  const { heads, kvHeads } = shape;
  const [batch = 1, tokens = 1, features = 1] = q.shape;
  const shares = sharesOf(tf, q, keys, shape, bias);
  const shared = [batch, kvHeads, (heads / kvHeads) * tokens, shares.shape[3] as number];
  const blended = blend(tf, tf.reshape(shares, shared), values);
  return tokensOf(tf, tf.reshape(blended, [batch, heads, tokens, features / heads]));
}

type SharesShape = AttentionShape & Pick<CachedAttentionShape, "softcap">;

/** What each token takes of each other: `[b, heads, t, s]`. */
function sharesOf(
  tf: TensorFlow,
  q: Tensor,
  keys: readonly Tensor[],
  { heads, kvHeads, scale, softcap }: SharesShape,
  bias: Tensor | undefined,
): Tensor {
  const [batch = 1, tokens = 1, features = 1] = q.shape;
  const headDim = features / heads;
  // Heads that share keys stand below each other, as rows of one product.
  const shared = [batch, kvHeads, (heads / kvHeads) * tokens, headDim];
  const rows = tf.reshape(headsOf(tf, tf.mul(q, scale ?? headDim ** -0.5), heads), shared);
  const products = keys.map((block) => tf.matMul(rows, block, false, true));
  const all = products.length === 1 ? (products[0] as Tensor) : tf.concat(products, 3);
  const scores = tf.reshape(all, [batch, heads, tokens, all.shape[3] as number]);
  const capped = softcap === undefined ? scores : tf.mul(tf.tanh(tf.div(scores, softcap)), softcap);
  return tf.softmax(bias === undefined ? capped : tf.add(capped, bias));
}

function blend(tf: TensorFlow, shares: Tensor, values: readonly Tensor[]): Tensor {
  const [batch = 1, heads = 1, rows = 1] = shares.shape;
  let sum: Tensor | undefined;
  let first = 0;
  for (const block of values) {
    const size = block.shape[2] as number;
    const own = values.length === 1 ? shares : tf.slice(shares, [0, 0, 0, first], [batch, heads, rows, size]);
    const part = tf.matMul(own, block);
    sum = sum === undefined ? part : tf.add(sum, part);
    first += size;
  }
  return sum as Tensor;
}

/** What each pair's distance adds to its score. */
export function relativeScores(
  tf: TensorFlow,
  q: Tensor,
  k: Tensor,
  { keys, queries, rows }: RelativePositions<Tensor>,
  { heads, scale }: { readonly heads: number; readonly scale: number },
  bias: Tensor,
): Tensor {
  const [batch = 1, tokens = 1] = q.shape;
  // Of each pair i, j the product of token i and the distance of the pair: `[b, heads, i, j]`.
  const ofPairs = (x: Tensor, table: Tensor, pairs: Tensor): Tensor => {
    // One product of each head over all batches, since TensorFlow.js derives products of unequal batches wrongly.
    const products = tf.matMul(rowsOfHeads(tf, x, heads), rowsOfHeads(tf, table, heads), false, true);
    const distances = products.shape[2] as number;
    const byToken = tf.transpose(tf.reshape(products, [heads, batch, tokens, distances]), [2, 3, 1, 0]);
    const flat = tf.reshape(byToken, [tokens * distances, batch * heads]);
    const firsts = tf.mul(tf.range(0, tokens, 1, "int32"), tf.scalar(distances, "int32"));
    const places = tf.reshape(tf.add(pairs, tf.reshape(firsts, [tokens, 1])), [-1]);
    const found = tf.reshape(gatherRows(tf, flat, places), [tokens, tokens, batch, heads]);
    return tf.transpose(found, [2, 3, 0, 1]);
  };
  const parts: Tensor[] = [];
  if (keys !== undefined) parts.push(ofPairs(q, keys, rows));
  if (queries !== undefined) parts.push(tf.transpose(ofPairs(k, queries, tf.transpose(rows)), [0, 1, 3, 2]));
  const sum = parts.reduce((a, b) => tf.add(a, b), tf.zeros([batch, heads, tokens, tokens]) as Tensor);
  return tf.add(tf.mul(sum, scale), bias);
}

/** `[b, t, heads · d]` → `[b, heads, t, d]`, of one token without a copy. */
function headsOf(tf: TensorFlow, x: Tensor, heads: number): Tensor {
  const [batch = 1, tokens = 1, features = 1] = x.shape;
  const headDim = features / heads;
  if (tokens === 1) return tf.reshape(x, [batch, heads, 1, headDim]);
  return tf.transpose(tf.reshape(x, [batch, tokens, heads, headDim]), [0, 2, 1, 3]);
}

/** `[b, t, heads · d]` → `[heads, b · t, d]`. */
function rowsOfHeads(tf: TensorFlow, x: Tensor, heads: number): Tensor {
  const [batch = 1, tokens = 1, features = 1] = x.shape;
  return tf.transpose(tf.reshape(x, [batch * tokens, heads, features / heads]), [1, 0, 2]);
}

/** The way back of `headsOf`. */
function tokensOf(tf: TensorFlow, x: Tensor): Tensor {
  const [batch = 1, heads = 1, tokens = 1, headDim = 1] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * headDim]);
}
