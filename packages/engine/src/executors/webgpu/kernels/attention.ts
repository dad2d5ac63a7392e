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
export const attentionParams = {
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
    params: attentionParams,
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
