import type { GpuContext } from "../webgpu-device.ts";
import { type AttentionOptions, attentionParams } from "./attention.ts";
import { HALVED } from "./halves.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

const SUBGROUPS = 4;
/** Keys that are taken at a time. */
const KEYS = 32;

/** Queries of a workgroup, 16 of each subgroup. */
export const MATRICES_QUERIES = 16 * SUBGROUPS;

/** Whether heads are whole matrices, and few enough of them for registers. */
export function fitsMatrices({ hasMatrices, lanes }: GpuContext, headDim: number): boolean {
  return hasMatrices && lanes === 32 && headDim % 16 === 0 && headDim <= 128;
}

export interface MatricesAttentionOptions extends AttentionOptions {
  /** The result is rows of halves. */
  readonly halves: boolean;
}

/**
 * Softmax(q·kᵀ·scale + bias)·v on units for products of 16 × 16 matrices, keys and values of F16. The keys are gone through twice: first
 * for the largest score of each query and the sum of its exponentials, then for the result, which so needs no scaling on its way (what the
 * one pass of arXiv:2205.14135 does is not to be had of matrices that shaders cannot look into). Dispatched as [tokens / 64, heads, batch].
 */
export function attentionMatrices(gpu: GpuContext, options: MatricesAttentionOptions): Shader {
  const { headDim, cached, rotary, bias, softcap, window, halves } = options;
  const blocks = headDim / 16;
  const words = headDim / 8;
  const half = headDim / 2;
  /** Words between rows of keys in workgroup memory: so many that rows begin at different banks. */
  const pitch = words + 1;
  const threads = gpu.lanes * SUBGROUPS;
  /** Words of keys that a thread brings to workgroup memory. */
  const loads = Math.ceil((KEYS * words) / threads);
  const eachLoad = (body: (j: number, i: string) => string) =>
    unrolled(loads, (j) => {
      const i = `(local + ${j * threads}u)`;
      return `  ${(j + 1) * threads > KEYS * words ? `if (${i} < ${KEYS * words}u) ` : ""}{ ${body(j, i)} }`;
    });
  /** Asks for keys, or values, the last one again behind it: what else lies there may be no number. */
  const ask = (name: "keys" | "values", first: string) =>
    eachLoad(
      (j, i) => `let other = batch * p.seen + min(${first} + ${i} / ${words}u, end - 1u);
    ${name}${j} = ${name}[(p.${name[0]}Offset + other * p.${name[0]}Stride + kvHead * ${headDim}u) / 8u + ${i} % ${words}u];`,
    );
  const bring = (name: "keys" | "values", at: number) =>
    eachLoad((j, i) => `tile[${at}u + (${i} / ${words}u) * ${pitch}u + ${i} % ${words}u] = ${name}${j};`);
  const scores = unrolled(
    KEYS / 16,
    (n) => `  var product${n} = subgroup_matrix_result<f32, 16, 16>();
${unrolled(blocks, (b) => `  product${n} = subgroupMatrixMultiplyAccumulate(q${b}, subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>, col_major>(&tile, ${16 * n * pitch + 2 * b}u, ${pitch}u), product${n});`)}
  subgroupMatrixStore<row_major>(&results, subgroup * ${16 * KEYS}u + ${16 * n}u, product${n}, ${KEYS}u);`,
  );
  const keyLoop = (withValues: boolean, body: string) => `
${ask("keys", "start")}
${withValues ? ask("values", "start") : ""}
for (var first = start; first < end; first += ${KEYS}u) {
  workgroupBarrier();
${bring("keys", 0)}
${withValues ? bring("values", KEYS * pitch) : ""}
  workgroupBarrier();
  // The next are on their way meanwhile.
${ask("keys", `(first + ${KEYS}u)`)}
${withValues ? ask("values", `(first + ${KEYS}u)`) : ""}
${scores}
  workgroupBarrier();
${body}
}`;
  const seen = [
    "other < end",
    ...(cached && !bias ? ["other <= before + token"] : []),
    ...(window && !bias ? ["other + p.window > before + token"] : []),
  ].join(" && ");
  /** A lane has half of the scores of a query; lanes begin at different ones, since they lie in different banks so. */
  const places = unrolled(
    KEYS / 2,
    (i) => `  let place${i} = side * ${KEYS / 2}u + (${i}u + row) % ${KEYS / 2}u;`,
  );
  const eachScore = unrolled(
    KEYS / 2,
    (i) => `  var score${i} = results[subgroup * ${16 * KEYS}u + row * ${KEYS}u + place${i}];
  let visible${i} = isSeen(first + place${i}, before, end, token);
  ${softcap ? `score${i} = p.softcap * tanh(clamp(score${i} / p.softcap, -15.0, 15.0));` : ""}
  ${bias ? `score${i} += max(bias[batch * p.biasBatch + head * p.biasHead + token * p.biasToken + min(first + place${i}, end - 1u)], -1e30);` : ""}
  score${i} = select(-3e38, score${i}, visible${i});`,
  );
  const largest = Array.from({ length: KEYS / 2 }, (_, i) => `score${i}`).reduce((a, b) => `max(${a}, ${b})`);
  return shader({
    gpu,
    params: attentionParams,
    reads: {
      q: "array<f32>",
      keys: "array<vec4<u32>>",
      values: "array<vec4<u32>>",
      ...(cached ? { past: "array<i32>" } : {}),
      ...(rotary ? { cosines: "array<f32>", sines: "array<f32>" } : {}),
      ...(bias ? { bias: "array<f32>" } : {}),
    },
    writes: { out: halves ? "array<u32>" : "array<f32>" },
    threads,
    declarations: `
${HALVED}
// First the queries, then keys and values, some at a time.
var<workgroup> tile: array<vec4<u32>, ${Math.max(MATRICES_QUERIES * words, 2 * KEYS * pitch)}>;
var<workgroup> results: array<f32, ${SUBGROUPS * 16 * KEYS}>;
var<workgroup> weights: array<f16, ${SUBGROUPS * 16 * KEYS}>;
fn isSeen(other: u32, before: u32, end: u32, token: u32) -> bool { return ${seen}; }
fn queryAt(row: u32, at: u32, d: u32) -> f32 {
  ${
    rotary
      ? `let turn = row * ${half}u + d % ${half}u;
  let other = select(q[at + d - min(d, ${half}u)], -q[at + min(d + ${half}u, ${headDim - 1}u)], d < ${half}u);
  return p.scale * (q[at + d] * cosines[turn] + other * sines[turn]);`
      : "return p.scale * q[at + d];"
  }
}`,
    main: `
let batch = group.z;
let head = group.y;
let kvHead = head * p.kvHeads / p.heads;
let firstToken = group.x * ${MATRICES_QUERIES}u;
let subgroup = local / ${gpu.lanes}u;
for (var i = local; i < ${MATRICES_QUERIES * words}u; i += ${threads}u) {
  let queryRow = batch * p.tokens + min(firstToken + i / ${words}u, p.tokens - 1u);
  let at = p.qOffset + queryRow * p.qStride + head * ${headDim}u;
  let d = (i % ${words}u) * 8u;
  tile[i] = vec4<u32>(${[0, 2, 4, 6].map((v) => `halved(queryAt(queryRow, at, d + ${v}u), queryAt(queryRow, at, d + ${v + 1}u))`).join(", ")});
}
workgroupBarrier();
${unrolled(blocks, (b) => `let q${b} = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, row_major>(&tile, subgroup * ${16 * words}u + ${2 * b}u, ${words}u);`)}
let row = lane / 2u;
let side = lane % 2u;
let token = firstToken + subgroup * 16u + row;
${
  cached
    ? `let before = u32(past[batch]);
let end = min(p.seen, before + ${bias ? "p.tokens" : `min(firstToken + ${MATRICES_QUERIES}u, p.tokens)`});
let start = ${window && !bias ? `select(0u, (before + firstToken + 1u - p.window) / ${KEYS}u * ${KEYS}u, before + firstToken + 1u > p.window)` : "0u"};`
    : "let before = 0u; let end = p.seen; let start = 0u;"
}
${places}
${unrolled(loads, (j) => `var keys${j}: vec4<u32>; var values${j}: vec4<u32>;`)}
var most = -3e38;
var total = 0.0;
${keyLoop(
  false,
  `${eachScore}
  let newMost = max(most, ${largest});
  total *= exp(most - newMost);
  most = newMost;
${unrolled(KEYS / 2, (i) => `  total += select(0.0, exp(score${i} - most), visible${i});`)}`,
)}
let pairMost = max(most, subgroupShuffleXor(most, 1u));
total *= exp(most - pairMost);
let inverse = 1.0 / (total + subgroupShuffleXor(total, 1u));
${unrolled(blocks, (b) => `var sum${b}: subgroup_matrix_result<f32, 16, 16>;`)}
${keyLoop(
  true,
  `${eachScore}
${unrolled(KEYS / 2, (i) => `  weights[subgroup * ${16 * KEYS}u + row * ${KEYS}u + place${i}] = select(0.0h, f16(exp(score${i} - pairMost) * inverse), visible${i});`)}
  workgroupBarrier();
${unrolled(
  KEYS / 16,
  (
    n,
  ) => `  let weight${n} = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, row_major>(&weights, subgroup * ${16 * KEYS}u + ${16 * n}u, ${KEYS}u);
${unrolled(blocks, (b) => `  sum${b} = subgroupMatrixMultiplyAccumulate(weight${n}, subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>, row_major>(&tile, ${(KEYS + 16 * n) * pitch + 2 * b}u, ${pitch}u), sum${b});`)}`,
)}`,
)}
${unrolled(
  blocks,
  (b) => `subgroupMatrixStore<row_major>(&results, subgroup * ${16 * KEYS}u, sum${b}, 16u);
workgroupBarrier();
for (var i = lane; i < 128u; i += ${gpu.lanes}u) {
  let m = firstToken + subgroup * 16u + i / 8u;
  if (m < p.tokens) {
    let at = (batch * p.tokens + m) * p.outStride + head * ${headDim}u + ${16 * b}u + 2u * (i % 8u);
    let source = subgroup * ${16 * KEYS}u + 2u * i;
    ${
      halves
        ? "out[at / 2u] = halved(results[source], results[source + 1u]);"
        : "out[at] = results[source]; out[at + 1u] = results[source + 1u];"
    }
  }
}
workgroupBarrier();`,
)}`,
  });
}
