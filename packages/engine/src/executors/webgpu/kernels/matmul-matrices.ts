import type { GpuContext } from "../webgpu-device.ts";
import { mapFunction } from "./activation.ts";
import { groupOfWord, matmulParams, matmulReads, storeProduct } from "./matmul.ts";
import type { LinearOptions } from "./matvec.ts";
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
  const subgroups = THREADS / gpu.lanes;
  return shader({
    gpu,
    params: matmulParams,
    reads: { ...matmulReads(options), ...(quads ? { x: "array<vec4<f32>>" } : {}) },
    writes: { out: "array<f32>" },
    threads: THREADS,
    declarations: `
${weightFunctions(format)}
${mapFunction(activation)}
var<workgroup> xs: array<f16, ${MATRICES_TILE * STRIDE}>;
var<workgroup> ws: array<f16, ${MATRICES_TILE * STRIDE}>;
var<workgroup> results: array<f32, ${subgroups * 256}>;`,
    main: `
${weightSetup(format)}
let firstN = group.x * ${MATRICES_TILE}u;
let firstM = group.y * ${MATRICES_TILE}u;
let subgroup = local / ${gpu.lanes}u;
let down = (subgroup / ${SUBGROUP_COLUMNS}u) * ${16 * DOWN}u;
let across = (subgroup % ${SUBGROUP_COLUMNS}u) * ${16 * ACROSS}u;
${unrolled(DOWN * ACROSS, (i) => `var sum${i}: subgroup_matrix_result<f32, 16, 16>;`)}
for (var depth = 0u; depth < p.k; depth += ${DEPTH}u) {
  workgroupBarrier();
  ${quads ? LOAD_QUADS : LOAD_NUMBERS}
  for (var i = local; i < ${MATRICES_TILE * words}u; i += ${THREADS}u) {
    let row = i / ${words}u;
    let word = depth / ${format.values}u + i % ${words}u;
    let n = min(firstN + row, p.n - 1u);
    if (word < p.rowWords) {
      let at = n * p.rowGroups + ${groupOfWord(format)};
      let values = unpack(words[n * p.rowWords + word], zeroAt(at));
      let scale = scaleAt(at);
      let to = row * ${STRIDE}u + (i % ${words}u) * ${format.values}u;
${unrolled(format.values, (v) => `      ws[to + ${v}u] = f16(values[${v >> 2}][${v & 3}] * scale);`)}
    }
  }
  workgroupBarrier();
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

const LOAD_QUADS = `for (var i = local; i < ${(MATRICES_TILE * DEPTH) / 4}u; i += ${THREADS}u) {
    let row = i / ${DEPTH / 4}u;
    let k = depth + (i % ${DEPTH / 4}u) * 4u;
    let inside = firstM + row < p.m && k < p.k;
    let at = select(0u, (firstM + row) * p.xStride + k, inside);
    let values = select(vec4<f32>(), x[(p.xOffset + at) / 4u], inside);
    let to = row * ${STRIDE}u + (i % ${DEPTH / 4}u) * 4u;
    xs[to] = f16(values.x);
    xs[to + 1u] = f16(values.y);
    xs[to + 2u] = f16(values.z);
    xs[to + 3u] = f16(values.w);
  }`;

const LOAD_NUMBERS = `for (var i = local; i < ${MATRICES_TILE * DEPTH}u; i += ${THREADS}u) {
    let row = i / ${DEPTH}u;
    let k = depth + i % ${DEPTH}u;
    let inside = firstM + row < p.m && k < p.k;
    let at = p.xOffset + select(0u, (firstM + row) * p.xStride + k, inside);
    xs[row * ${STRIDE}u + i % ${DEPTH}u] = f16(select(0.0, x[at], inside));
  }`;
