import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader } from "./shader.ts";

const THREADS = 128;

export interface ReceivedOptions {
  readonly headDim: number;
  /** One query of each batch, whose row is told; all of them otherwise. */
  readonly rows: boolean;
  readonly bias: boolean;
}

const params = {
  heads: "u32",
  kvHeads: "u32",
  /** Queries of a batch, and those of them that count. */
  tokens: "u32",
  queries: "u32",
  seen: "u32",
  qOffset: "u32",
  qStride: "u32",
  kOffset: "u32",
  kStride: "u32",
  biasBatch: "u32",
  biasToken: "u32",
  scale: "f32",
} as const;

function reads({ rows, bias }: ReceivedOptions): Record<string, string> {
  return {
    q: "array<f32>",
    k: "array<f32>",
    ...(rows ? { rows: "array<i32>" } : {}),
    ...(bias ? { bias: "array<f32>" } : {}),
  };
}

/** WGSL: the row of a batch's query, and the score of a query and a key, whose numbers begin at two places. */
function functions({ headDim, rows, bias }: ReceivedOptions): string {
  return `
fn rowOf(batch: u32, query: u32) -> u32 {
  return ${rows ? "u32(rows[batch])" : "batch * p.tokens + query"};
}
fn scoreOf(batch: u32, row: u32, head: u32, other: u32) -> f32 {
  let qAt = p.qOffset + row * p.qStride + head * ${headDim}u;
  let kAt = p.kOffset + (batch * p.seen + other) * p.kStride + head * p.kvHeads / p.heads * ${headDim}u;
  var sum = 0.0;
  for (var d = 0u; d < ${headDim}u; d++) { sum += q[qAt + d] * k[kAt + d]; }
  sum *= p.scale;
  ${bias ? "sum += max(bias[batch * p.biasBatch + (row - batch * p.tokens) * p.biasToken + other], -1e30);" : ""}
  return sum;
}`;
}

/**
 * The largest score of each query and head, and the sum of its weights: `[batch, heads, queries, 2]`. Dispatched as [queries, heads,
 * batch].
 */
export function receivedTotals(gpu: GpuContext, options: ReceivedOptions): Shader {
  return shader({
    gpu,
    params,
    reads: reads(options),
    writes: { out: "array<f32>" },
    threads: THREADS,
    declarations: `
${functions(options)}
var<workgroup> mosts: array<f32, ${THREADS}>;
var<workgroup> totals: array<f32, ${THREADS}>;`,
    main: `
let row = rowOf(group.z, group.x);
var most = -3e38;
var total = 0.0;
for (var other = local; other < p.seen; other += ${THREADS}u) {
  let score = scoreOf(group.z, row, group.y, other);
  let newMost = max(most, score);
  total = total * exp(most - newMost) + exp(score - newMost);
  most = newMost;
}
mosts[local] = most;
totals[local] = total;
workgroupBarrier();
if (local == 0u) {
  for (var i = 1u; i < ${THREADS}u; i++) { most = max(most, mosts[i]); }
  total = 0.0;
  for (var i = 0u; i < ${THREADS}u; i++) { total += totals[i] * exp(mosts[i] - most); }
  let at = 2u * ((group.z * p.heads + group.y) * p.queries + group.x);
  out[at] = most;
  out[at + 1u] = total;
}`,
  });
}

/** What each token receives, see `Ops.receivedAttention`, by `receivedTotals`. Dispatched as [seen, batch]. */
export function receivedShares(gpu: GpuContext, options: ReceivedOptions): Shader {
  return shader({
    gpu,
    params,
    reads: { ...reads(options), totals: "array<f32>" },
    writes: { out: "array<f32>" },
    threads: THREADS,
    declarations: `
${functions(options)}
var<workgroup> sums: array<f32, ${THREADS}>;`,
    main: `
var sum = 0.0;
for (var i = local; i < p.heads * p.queries; i += ${THREADS}u) {
  let at = 2u * (group.y * p.heads * p.queries + i);
  let score = scoreOf(group.y, rowOf(group.y, i % p.queries), i / p.queries, group.x);
  sum += exp(score - totals[at]) / totals[at + 1u];
}
sums[local] = sum;
workgroupBarrier();
if (local == 0u) {
  for (var i = 1u; i < ${THREADS}u; i++) { sum += sums[i]; }
  out[group.y * p.seen + group.x] = sum / f32(p.heads * p.queries);
}`,
  });
}
