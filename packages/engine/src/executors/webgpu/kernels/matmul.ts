import type { GpuContext } from "../webgpu-device.ts";
import { mapFunction } from "./activation.ts";
import { finishProduct, type LinearOptions, linearParams, linearReads } from "./linear.ts";
import { type Shader, shader, unrolled } from "./shader.ts";
import { scaleIndex, weightFunctions, weightSetup, wordsOfRow, wordsToNextRow } from "./weight-format.ts";

/** Tokens and outputs of a workgroup, and how many of the inner axis it takes at a time. */
export const MATMUL_TILE = 64;
const DEPTH = 32;
const THREADS = 256;
/** Numbers that keep rows of tiles off the same banks of memory, and bytes that are left for a codebook. */
const PADDING = 4;
const RESERVED = 64;

/** x·Wᵀ for many tokens, in tiles of 64 × 64, each thread 4 × 4 of them. Dispatched as [outputs / 64, tokens / 64]. */
export function matmul(gpu: GpuContext, options: LinearOptions): Shader {
  const { format, k, activation } = options;
  const rowWords = wordsOfRow(format, k);
  const words = Math.max(1, DEPTH / format.values);
  /** Of words that hold more numbers than a tile is deep. */
  const pieces = Math.max(1, format.values / DEPTH);
  const room = gpu.device.limits.maxComputeWorkgroupStorageSize - RESERVED;
  // Where there is little room, rows of tokens are not kept apart, and codes are looked up elsewhere.
  const padding = 8 * DEPTH * (MATMUL_TILE + PADDING) > room ? 0 : PADDING;
  const row = MATMUL_TILE + padding;
  const space = padding === 0 ? "private" : "workgroup";
  return shader({
    gpu,
    params: linearParams,
    reads: linearReads(gpu, options),
    writes: { out: "array<f32>" },
    threads: THREADS,
    declarations: `
${weightFunctions(gpu, format, space)}
${mapFunction(activation)}
var<workgroup> xs: array<f32, ${DEPTH * row}>;
var<workgroup> ws: array<f32, ${DEPTH * row}>;`,
    main: `
${weightSetup(format, "f32", space)}
let firstN = group.x * ${MATMUL_TILE}u;
let firstM = group.y * ${MATMUL_TILE}u;
let across = local % 16u;
let down = local / 16u;
var sums: array<vec4<f32>, 4>;
for (var depth = 0u; depth < ${k}u; depth += ${DEPTH}u) {
  workgroupBarrier();
  for (var i = local; i < ${MATMUL_TILE * DEPTH}u; i += ${THREADS}u) {
    let token = firstM + i / ${DEPTH}u;
    let k = depth + i % ${DEPTH}u;
    let inside = token < p.m && k < ${k}u;
    let at = p.xOffset + select(0u, token * p.xStride + k, inside);
    xs[(i % ${DEPTH}u) * ${row}u + i / ${DEPTH}u] = select(0.0, x[at], inside);
  }
  for (var i = local; i < ${MATMUL_TILE * words}u; i += ${THREADS}u) {
    let row = i / ${words}u;
    let word = depth / ${format.values}u + i % ${words}u;
    let n = min(firstN + row, p.n - 1u);
    if (word < ${rowWords}u) {
      let at = ${scaleIndex(format, "n", k)};
      var values = unpack(wordAt(n * ${wordsToNextRow(format, k)}u, ${rowWords}u, word), zeroAt(at));
      let scale = scaleAt(at);
      let k = (i % ${words}u) * ${format.values}u;
      let piece = (depth / ${DEPTH}u) % ${pieces}u;
${unrolled(format.values / pieces, (v) => `      ws[(k + ${v}u) * ${row}u + row] = values[${pieces === 1 ? "" : `piece * ${DEPTH / 4}u + `}${v >> 2}${pieces === 1 ? "" : "u"}][${v & 3}] * scale;`)}
    }
  }
  workgroupBarrier();
  for (var k = 0u; k < ${DEPTH}u; k++) {
    let atX = k * ${row}u + down * 4u;
    let atW = k * ${row}u + across;
    let w = vec4<f32>(ws[atW], ws[atW + 16u], ws[atW + 32u], ws[atW + 48u]);
${unrolled(4, (i) => `    sums[${i}] += xs[atX + ${i}u] * w;`)}
  }
}
for (var i = 0u; i < 4u; i++) {
  for (var j = 0u; j < 4u; j++) {
    let m = firstM + down * 4u + i;
    let n = firstN + across + j * 16u;
    if (m >= p.m || n >= p.n) { continue; }
    var value = sums[i][j];
    ${finishProduct(options)}
    out[p.outOffset + m * p.outStride + n] = value;
  }
}`,
  });
}
