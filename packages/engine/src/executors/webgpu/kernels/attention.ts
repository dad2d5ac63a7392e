import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

export interface AttentionOptions {
  readonly headDim: number;
  /** Keys and values lie in a cache, of F16 where the card has it, and a token sees those before it. */
  readonly cached: boolean;
  /** Queries are rotated as they are read. */
  readonly rotary: boolean;
  readonly bias: boolean;
  readonly softcap: boolean;
  readonly window: boolean;
}

/** What dispatches of attention give a shader. */
const params = {
  heads: "u32",
  kvHeads: "u32",
  tokens: "u32",
  /** Tokens that can be seen: of the batch, or the capacity of the cache. */
  seen: "u32",
  qOffset: "u32",
  qStride: "u32",
  kOffset: "u32",
  kStride: "u32",
  vOffset: "u32",
  vStride: "u32",
  outStride: "u32",
  scale: "f32",
  softcap: "f32",
  window: "u32",
  biasBatch: "u32",
  biasHead: "u32",
  biasToken: "u32",
  splits: "u32",
} as const;

/** The type of numbers in caches of keys and values. */
export function cacheType({ hasF16 }: GpuContext): "f16" | "f32" {
  return hasF16 ? "f16" : "f32";
}

function reads(gpu: GpuContext, { cached, rotary, bias }: AttentionOptions): Record<string, string> {
  const stored = cached ? cacheType(gpu) : "f32";
  return {
    q: "array<f32>",
    keys: `array<${stored}>`,
    values: `array<${stored}>`,
    ...(cached ? { past: "array<i32>" } : {}),
    ...(rotary ? { cosines: "array<f32>", sines: "array<f32>" } : {}),
    ...(bias ? { bias: "array<f32>" } : {}),
  };
}

/** Numbers of a head that a lane has: those at lane, lane + lanes … */
function shareOf(gpu: GpuContext, { headDim }: AttentionOptions): number {
  return Math.ceil(headDim / gpu.lanes);
}

/** WGSL: reads the query of `row` and `head` into `name0`, `name1` …, scaled. */
function readQuery(gpu: GpuContext, options: AttentionOptions, name: string, row: string): string {
  const { headDim, rotary } = options;
  const half = headDim / 2;
  return unrolled(shareOf(gpu, options), (i) => {
    const d = `d${i}`;
    const at = `p.qOffset + ${row} * p.qStride + head * ${headDim}u`;
    return rotary
      ? `let ${name}${i} = p.scale * (q[${at} + ${d}] * cosines[${row} * ${half}u + ${d} % ${half}u] +
  select(q[${at} + ${d} - min(${d}, ${half}u)], -q[${at} + min(${d} + ${half}u, ${headDim - 1}u)], ${d} < ${half}u) * sines[${row} * ${half}u + ${d} % ${half}u]);`
      : `let ${name}${i} = p.scale * q[${at} + ${d}];`;
  });
}

/** WGSL: the places `d0`, `d1` … of a lane's numbers, and 0 or 1 as `has…` where a head has fewer. */
function places(gpu: GpuContext, options: AttentionOptions): string {
  return unrolled(
    shareOf(gpu, options),
    (i) => `let d${i} = min(lane + ${i * gpu.lanes}u, ${options.headDim - 1}u);
let has${i} = select(0.0, 1.0, lane + ${i * gpu.lanes}u < ${options.headDim}u);`,
  );
}

/** Queries that a subgroup takes, so that each key is read once for all of them. */
const QUERIES = 4;
const SUBGROUPS = 4;

/** Queries of a workgroup. */
export const ATTENTION_QUERIES = QUERIES * SUBGROUPS;

/**
 * Softmax(q·kᵀ·scale + bias)·v in one pass over the keys (arXiv:2205.14135): every subgroup has four queries of a head, and the lanes
 * share their numbers. Dispatched as [tokens / 16, heads, batch].
 */
export function attention(gpu: GpuContext, options: AttentionOptions): Shader {
  const { headDim, cached, bias, softcap, window } = options;
  const share = shareOf(gpu, options);
  const score = (n: number) => `
    var score${n} = subgroupAdd(${Array.from({ length: share }, (_, i) => `q${n}_${i} * has${i} * key${i}`).join(" + ")});
    ${softcap ? `score${n} = p.softcap * tanh(clamp(score${n} / p.softcap, -15.0, 15.0));` : ""}
    ${bias ? `score${n} += max(bias[batch * p.biasBatch + head * p.biasHead + token${n} * p.biasToken + other], -1e30);` : ""}`;
  const sees = (n: number) =>
    [
      ...(cached && !bias ? [`other <= before + token${n}`] : []),
      ...(window && !bias ? [`other + p.window > before + token${n}`] : []),
    ].join(" && ") || "true";
  return shader({
    gpu,
    params,
    reads: reads(gpu, options),
    writes: { out: "array<f32>" },
    threads: gpu.lanes * SUBGROUPS,
    main: `
let batch = group.z;
let head = group.y;
let kvHead = head * p.kvHeads / p.heads;
let firstToken = (group.x * ${SUBGROUPS}u + local / ${gpu.lanes}u) * ${QUERIES}u;
if (firstToken >= p.tokens) { return; }
${places(gpu, options)}
${unrolled(
  QUERIES,
  (n) => `let token${n} = min(firstToken + ${n}u, p.tokens - 1u);
let row${n} = batch * p.tokens + token${n};
${readQuery(gpu, options, `q${n}_`, `row${n}`)}
var most${n} = -3e38; var total${n} = 0.0;
${unrolled(share, (i) => `var sum${n}_${i} = 0.0;`)}`,
)}
${
  cached
    ? `let before = u32(past[batch]);
let end = min(p.seen, before + ${bias ? "p.tokens" : `token${QUERIES - 1} + 1u`});
let start = ${window && !bias ? "select(0u, before + firstToken + 1u - p.window, before + firstToken + 1u > p.window)" : "0u"};`
    : "let end = p.seen; let start = 0u;"
}
for (var other = start; other < end; other++) {
  let keyAt = p.kOffset + (batch * p.seen + other) * p.kStride + kvHead * ${headDim}u;
  let valueAt = p.vOffset + (batch * p.seen + other) * p.vStride + kvHead * ${headDim}u;
${unrolled(share, (i) => `  let key${i} = f32(keys[keyAt + d${i}]); let value${i} = f32(values[valueAt + d${i}]);`)}
${unrolled(
  QUERIES,
  (n) => `  {
    ${score(n)}
    if (${sees(n)}) {
      let newMost = max(most${n}, score${n});
      let kept = exp(most${n} - newMost);
      let weight = exp(score${n} - newMost);
      most${n} = newMost;
      total${n} = total${n} * kept + weight;
${unrolled(share, (i) => `      sum${n}_${i} = sum${n}_${i} * kept + weight * value${i};`)}
    }
  }`,
)}
}
${unrolled(
  QUERIES,
  (n) => `if (firstToken + ${n}u < p.tokens) {
${unrolled(share, (i) => `  if (has${i} > 0.0) { out[row${n} * p.outStride + head * ${headDim}u + d${i}] = sum${n}_${i} / total${n}; }`)}
}`,
)}`,
  });
}

/** Subgroups that share the keys of a head and a split. */
const DECODE_SUBGROUPS = 8;
/** Keys that a subgroup has under way at a time. */
const KEYS = 4;

/**
 * Attention of one token of each sequence to its cache: the keys of a head are shared by `splits` workgroups (as in flash decoding) and
 * by the subgroups of each. What they find, sums and all, goes to `parts`, for `joinSplits`. Dispatched as [heads, splits, batch].
 */
export function decodeAttention(gpu: GpuContext, options: AttentionOptions): Shader {
  const { headDim, softcap, window } = options;
  const share = shareOf(gpu, options);
  return shader({
    gpu,
    params,
    reads: reads(gpu, options),
    writes: { parts: "array<f32>" },
    threads: gpu.lanes * DECODE_SUBGROUPS,
    declarations: `
var<workgroup> mosts: array<f32, ${DECODE_SUBGROUPS}>;
var<workgroup> totals: array<f32, ${DECODE_SUBGROUPS}>;
var<workgroup> sums: array<f32, ${DECODE_SUBGROUPS * headDim}>;`,
    main: `
let batch = group.z;
let head = group.x;
let kvHead = head * p.kvHeads / p.heads;
let subgroup = local / ${gpu.lanes}u;
${places(gpu, options)}
${readQuery(gpu, options, "q_", "batch")}
var most = -3e38; var total = 0.0;
${unrolled(share, (i) => `var sum${i} = 0.0;`)}
let length = u32(past[batch]) + 1u;
let visible = ${window ? "select(0u, length - p.window, length > p.window)" : "0u"};
let each = (length - visible + p.splits - 1u) / p.splits;
let start = visible + group.y * each;
let end = min(length, start + each);
for (var first = start + subgroup * ${KEYS}u; first < end; first += ${KEYS * DECODE_SUBGROUPS}u) {
${unrolled(
  KEYS,
  (n) => `  let at${n} = (batch * p.seen + min(first + ${n}u, end - 1u)) * p.kStride + kvHead * ${headDim}u;
${unrolled(share, (i) => `  let key${n}_${i} = f32(keys[at${n} + d${i}]); let value${n}_${i} = f32(values[at${n} + d${i}]);`)}`,
)}
${unrolled(
  KEYS,
  (
    n,
  ) => `  var score${n} = subgroupAdd(${Array.from({ length: share }, (_, i) => `q_${i} * has${i} * key${n}_${i}`).join(" + ")});
  ${softcap ? `score${n} = p.softcap * tanh(clamp(score${n} / p.softcap, -15.0, 15.0));` : ""}
  score${n} = select(-3e38, score${n}, first + ${n}u < end);`,
)}
  let newMost = max(most, ${Array.from({ length: KEYS }, (_, n) => `score${n}`).reduce((a, b) => `max(${a}, ${b})`)});
  let kept = exp(most - newMost);
${unrolled(KEYS, (n) => `  let weight${n} = exp(score${n} - newMost);`)}
  most = newMost;
  total = total * kept + ${Array.from({ length: KEYS }, (_, n) => `weight${n}`).join(" + ")};
${unrolled(share, (i) => `  sum${i} = sum${i} * kept + ${Array.from({ length: KEYS }, (_, n) => `weight${n} * value${n}_${i}`).join(" + ")};`)}
}
if (lane == 0u) { mosts[subgroup] = most; totals[subgroup] = total; }
${unrolled(share, (i) => `if (has${i} > 0.0) { sums[subgroup * ${headDim}u + d${i}] = sum${i}; }`)}
workgroupBarrier();
var allMost = mosts[0];
for (var i = 1u; i < ${DECODE_SUBGROUPS}u; i++) { allMost = max(allMost, mosts[i]); }
let at = ((batch * p.heads + head) * p.splits + group.y) * ${headDim + 2}u;
for (var d = local; d < ${headDim}u; d += ${gpu.lanes * DECODE_SUBGROUPS}u) {
  var sum = 0.0;
  for (var i = 0u; i < ${DECODE_SUBGROUPS}u; i++) { sum += exp(mosts[i] - allMost) * sums[i * ${headDim}u + d]; }
  parts[at + 2u + d] = sum;
}
if (local == 0u) {
  var sum = 0.0;
  for (var i = 0u; i < ${DECODE_SUBGROUPS}u; i++) { sum += exp(mosts[i] - allMost) * totals[i]; }
  parts[at] = allMost;
  parts[at + 1u] = sum;
}`,
  });
}

/** Puts the splits of `decodeAttention` together. Dispatched as [heads, batch]. */
export function joinSplits(gpu: GpuContext, headDim: number): Shader {
  const threads = 64;
  return shader({
    gpu,
    params: { heads: "u32", splits: "u32", outStride: "u32" },
    reads: { parts: "array<f32>" },
    writes: { out: "array<f32>" },
    threads,
    main: `
let head = group.x;
let first = (group.y * p.heads + head) * p.splits * ${headDim + 2}u;
var most = -3e38;
for (var i = 0u; i < p.splits; i++) { most = max(most, parts[first + i * ${headDim + 2}u]); }
var total = 0.0;
for (var i = 0u; i < p.splits; i++) {
  let at = first + i * ${headDim + 2}u;
  total += exp(parts[at] - most) * parts[at + 1u];
}
for (var d = local; d < ${headDim}u; d += ${threads}u) {
  var sum = 0.0;
  for (var i = 0u; i < p.splits; i++) {
    let at = first + i * ${headDim + 2}u;
    sum += exp(parts[at] - most) * parts[at + 2u + d];
  }
  out[group.y * p.outStride + head * ${headDim}u + d] = sum / total;
}`,
  });
}

/** Appends keys, rotated, and values of new tokens to a cache. Dispatched over batch · tokens · kvHeads · headDim threads. */
export function appendToCache(
  gpu: GpuContext,
  { headDim, rotary }: Pick<AttentionOptions, "headDim" | "rotary">,
): Shader {
  const half = headDim / 2;
  const type = cacheType(gpu);
  return shader({
    gpu,
    params: {
      count: "u32",
      tokens: "u32",
      capacity: "u32",
      width: "u32",
      kOffset: "u32",
      kStride: "u32",
      vOffset: "u32",
      vStride: "u32",
    },
    reads: {
      k: "array<f32>",
      v: "array<f32>",
      past: "array<i32>",
      ...(rotary ? { cosines: "array<f32>", sines: "array<f32>" } : {}),
    },
    writes: { keys: `array<${type}>`, values: `array<${type}>` },
    threads: 128,
    main: `
for (var i = group.x * 128u + local; i < p.count; i += groups.x * 128u) {
  let row = i / p.width;
  let column = i % p.width;
  let batch = row / p.tokens;
  let place = u32(past[batch]) + row % p.tokens;
  // Padding may reach past the end; nobody sees it.
  if (place >= p.capacity) { continue; }
  let to = (batch * p.capacity + place) * p.width + column;
  let at = p.kOffset + row * p.kStride + column;
  ${
    rotary
      ? `let d = column % ${headDim}u;
  let turn = row * ${half}u + d % ${half}u;
  var other = 0.0;
  if (d < ${half}u) { other = -k[at + ${half}u]; } else { other = k[at - ${half}u]; }
  keys[to] = ${type}(k[at] * cosines[turn] + other * sines[turn]);`
      : `keys[to] = ${type}(k[at]);`
  }
  values[to] = ${type}(v[p.vOffset + row * p.vStride + column]);
}`,
  });
}
