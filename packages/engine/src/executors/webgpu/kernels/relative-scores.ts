import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader } from "./shader.ts";

/** Tokens, and others that they are held against, of a workgroup. */
export const RELATIVE_TILE = 16;

export interface RelativeOptions {
  readonly headDim: number;
  /** Whether queries are held against distances, and keys. */
  readonly keys: boolean;
  readonly queries: boolean;
}

/**
 * What distances add to the scores of attention, see `Ops.relativeScores`: a workgroup has the queries and keys of 16 tokens each at hand, and
 * the distances between them are so few that the card's cache keeps their vectors. Dispatched as [tokens / 16, tokens / 16, batch · heads].
 */
export function relativeScores(gpu: GpuContext, { headDim, keys, queries }: RelativeOptions): Shader {
  const product = (own: string, table: string) =>
    `for (var d = 0u; d < ${headDim}u; d++) { score += ${own} * ${table}[row * p.${table}Stride + p.${table}Offset + head * ${headDim}u + d]; }`;
  return shader({
    gpu,
    params: {
      heads: "u32",
      tokens: "u32",
      qOffset: "u32",
      qStride: "u32",
      kOffset: "u32",
      kStride: "u32",
      keysOffset: "u32",
      keysStride: "u32",
      queriesOffset: "u32",
      queriesStride: "u32",
      biasBatch: "u32",
      biasToken: "u32",
      scale: "f32",
    },
    reads: {
      q: "array<f32>",
      k: "array<f32>",
      ...(keys ? { keys: "array<f32>" } : {}),
      ...(queries ? { queries: "array<f32>" } : {}),
      rows: "array<i32>",
      bias: "array<f32>",
    },
    writes: { out: "array<f32>" },
    threads: RELATIVE_TILE * RELATIVE_TILE,
    declarations: `
var<workgroup> qTile: array<f32, ${RELATIVE_TILE * (headDim + 1)}>;
var<workgroup> kTile: array<f32, ${RELATIVE_TILE * (headDim + 1)}>;`,
    main: `
let batch = group.z / p.heads;
let head = group.z % p.heads;
for (var i = local; i < ${RELATIVE_TILE * headDim}u; i += ${RELATIVE_TILE * RELATIVE_TILE}u) {
  let d = i % ${headDim}u;
  let to = i / ${headDim}u * ${headDim + 1}u + d;
  let tokenRow = batch * p.tokens + min(group.x * ${RELATIVE_TILE}u + i / ${headDim}u, p.tokens - 1u);
  let otherRow = batch * p.tokens + min(group.y * ${RELATIVE_TILE}u + i / ${headDim}u, p.tokens - 1u);
  qTile[to] = q[p.qOffset + tokenRow * p.qStride + head * ${headDim}u + d];
  kTile[to] = k[p.kOffset + otherRow * p.kStride + head * ${headDim}u + d];
}
workgroupBarrier();
let token = group.x * ${RELATIVE_TILE}u + local / ${RELATIVE_TILE}u;
let other = group.y * ${RELATIVE_TILE}u + local % ${RELATIVE_TILE}u;
if (token >= p.tokens || other >= p.tokens) { return; }
let row = u32(rows[token * p.tokens + other]);
let qAt = local / ${RELATIVE_TILE}u * ${headDim + 1}u;
let kAt = local % ${RELATIVE_TILE}u * ${headDim + 1}u;
var score = 0.0;
${keys ? product("qTile[qAt + d]", "keys") : ""}
${queries ? product("kTile[kAt + d]", "queries") : ""}
out[(group.z * p.tokens + token) * p.tokens + other] =
  score * p.scale + max(bias[batch * p.biasBatch + token * p.biasToken + other], -1e30);`,
  });
}
