import type { GpuContext } from "../webgpu-device.ts";
import { mapFunction } from "./activation.ts";
import { groupOfWord, type LinearOptions, linearParams, linearReads, storeProduct } from "./linear.ts";
import { type Shader, shader, unrolled } from "./shader.ts";
import { weightFunctions, weightSetup } from "./weight-format.ts";

/** Tokens and outputs of a workgroup. */
export const MATRICES_TILE = 128;
/** How much of the inner axis it takes at a time. */
const DEPTH = 64;
/** Numbers between rows in workgroup memory: so many that rows begin at different banks. */
const STRIDE = DEPTH + 8;
const THREADS = 256;
/** Tokens and outputs of a subgroup, in matrices of 16 × 16. */
const [DOWN, ACROSS] = [4, 2];
const SUBGROUP_COLUMNS = MATRICES_TILE / (16 * ACROSS);

/** Quadruples of x that a thread brings at a time. */
const X_LOADS = (MATRICES_TILE * DEPTH) / 4 / THREADS;
/** WGSL: four numbers of x, those behind the end being 0. */
const X_NUMBERS = `return vec4<f32>(x[at], select(0.0, x[at + min(1u, p.k - 1u - k)], k + 1u < p.k),
    select(0.0, x[at + min(2u, p.k - 1u - k)], k + 2u < p.k), select(0.0, x[at + min(3u, p.k - 1u - k)], k + 3u < p.k));`;

export interface MatricesOptions extends LinearOptions {
  /** Rows of x begin at multiples of four numbers. */
  readonly quads: boolean;
}

/**
 * x·Wᵀ for many tokens on the card's units for products of 16 × 16 matrices: x and W in F16, sums in F32. Dispatched as
 * [outputs / 128, tokens / 128].
 */
export function matmulMatrices(gpu: GpuContext, options: MatricesOptions): Shader {
  const { format, activation, quads } = options;
  const words = DEPTH / format.values;
  const wordLoads = (MATRICES_TILE * words) / THREADS;
  const load = (depth: string) => `${unrolled(
    X_LOADS,
    (j) =>
      `x${j} = xAt(firstM + (local + ${j * THREADS}u) / ${DEPTH / 4}u, ${depth} + (local % ${DEPTH / 4}u) * 4u);`,
  )}
${unrolled(
  wordLoads,
  (j) =>
    `word${j} = wordAt(firstN + (local + ${j * THREADS}u) / ${words}u, ${depth} / ${format.values}u + local % ${words}u);`,
)}`;
  const subgroups = THREADS / gpu.lanes;
  return shader({
    gpu,
    params: linearParams,
    reads: { ...linearReads(options), ...(quads ? { x: "array<vec4<f32>>" } : {}) },
    writes: { out: "array<f32>" },
    threads: THREADS,
    declarations: `
${weightFunctions(format)}
${mapFunction(activation)}
var<workgroup> xs: array<f16, ${MATRICES_TILE * STRIDE}>;
var<workgroup> ws: array<f16, ${MATRICES_TILE * STRIDE}>;
var<workgroup> results: array<f32, ${subgroups * 256}>;
fn xAt(m: u32, k: u32) -> vec4<f32> {
  if (m >= p.m || k >= p.k) { return vec4<f32>(); }
  let at = p.xOffset + m * p.xStride + k;
  ${quads ? "return x[at / 4u];" : X_NUMBERS}
}
fn wordAt(n: u32, word: u32) -> vec4<u32> {
  return words[min(n, p.n - 1u) * p.rowWords + min(word, p.rowWords - 1u)];
}`,
    main: `
${weightSetup(format)}
let firstN = group.x * ${MATRICES_TILE}u;
let firstM = group.y * ${MATRICES_TILE}u;
let subgroup = local / ${gpu.lanes}u;
let down = (subgroup / ${SUBGROUP_COLUMNS}u) * ${16 * DOWN}u;
let across = (subgroup % ${SUBGROUP_COLUMNS}u) * ${16 * ACROSS}u;
${unrolled(DOWN * ACROSS, (i) => `var sum${i}: subgroup_matrix_result<f32, 16, 16>;`)}
${unrolled(X_LOADS, (j) => `var x${j}: vec4<f32>;`)}
${unrolled(wordLoads, (j) => `var word${j}: vec4<u32>;`)}
${load("0u")}
for (var depth = 0u; depth < p.k; depth += ${DEPTH}u) {
  workgroupBarrier();
${unrolled(
  X_LOADS,
  (j) => `  {
    let i = local + ${j * THREADS}u;
    let to = (i / ${DEPTH / 4}u) * ${STRIDE}u + (i % ${DEPTH / 4}u) * 4u;
${unrolled(4, (v) => `    xs[to + ${v}u] = f16(x${j}[${v}]);`)}
  }`,
)}
${unrolled(
  wordLoads,
  (j) => `  {
    let i = local + ${j * THREADS}u;
    let row = i / ${words}u;
    let word = depth / ${format.values}u + i % ${words}u;
    let at = min(firstN + row, p.n - 1u) * p.rowGroups + ${groupOfWord(format)};
    let values = unpack(word${j}, zeroAt(at));
    let scale = scaleAt(at);
    let to = row * ${STRIDE}u + (i % ${words}u) * ${format.values}u;
${unrolled(format.values, (v) => `    ws[to + ${v}u] = f16(values[${v >> 2}][${v & 3}] * scale);`)}
  }`,
)}
  workgroupBarrier();
  // What comes next is on its way while this is multiplied.
  let next = depth + ${DEPTH}u;
  if (next < p.k) {
${load("next")}
  }
  for (var k = 0u; k < ${DEPTH}u; k += 16u) {
${unrolled(ACROSS, (j) => `    let right${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>>(&ws, (across + ${16 * j}u) * ${STRIDE}u + k, true, ${STRIDE}u);`)}
${unrolled(
  DOWN,
  (i) => `    {
      let left = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>>(&xs, (down + ${16 * i}u) * ${STRIDE}u + k, false, ${STRIDE}u);
${unrolled(ACROSS, (j) => `      sum${i * ACROSS + j} = subgroupMatrixMultiplyAccumulate(left, right${j}, sum${i * ACROSS + j});`)}
    }`,
)}
  }
}
${unrolled(
  DOWN * ACROSS,
  (t) => `workgroupBarrier();
subgroupMatrixStore(&results, subgroup * 256u, sum${t}, false, 16u);
workgroupBarrier();
for (var i = lane; i < 256u; i += ${gpu.lanes}u) {
  let m = firstM + down + ${16 * Math.floor(t / ACROSS)}u + i / 16u;
  let n = firstN + across + ${16 * (t % ACROSS)}u + i % 16u;
  if (m < p.m && n < p.n) {
    var value = results[subgroup * 256u + i];
    ${storeProduct(options)}
  }
}`,
)}`,
  });
}
