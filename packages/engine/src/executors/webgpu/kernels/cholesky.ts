import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

/** Columns that are factored at once. */
export const CHOLESKY_BLOCK = 64;

/**
 * The Cholesky factor of a block on the diagonal of a matrix `[n, n]`, in its place, and that factor's inverse. Where a pivot is not positive, its
 * number, from 1, is left behind. One workgroup.
 */
export function factorBlock(gpu: GpuContext): Shader {
  const B = CHOLESKY_BLOCK;
  return shader({
    gpu,
    params: { n: "u32", first: "u32", size: "u32" },
    reads: {},
    writes: { matrix: "array<f32>", inverses: "array<f32>", failed: "array<u32>" },
    threads: B,
    declarations: `var<workgroup> block: array<f32, ${B * B}>;`,
    main: `
let row = local;
for (var i = 0u; i < ${B}u; i++) {
  let inside = i < p.size && local < p.size;
  block[i * ${B}u + local] = select(0.0, matrix[select(0u, (p.first + i) * p.n + p.first + local, inside)], inside);
}
for (var j = 0u; j < p.size; j++) {
  workgroupBarrier();
  var pivot = block[j * ${B}u + j];
  if (!(pivot > 0.0)) {
    if (local == 0u && failed[0] == 0u) { failed[0] = p.first + j + 1u; }
    pivot = 1.0;
  }
  let inverse = inverseSqrt(pivot);
  workgroupBarrier();
  if (row == j) { block[j * ${B}u + j] = sqrt(pivot); }
  if (row > j) { block[row * ${B}u + j] *= inverse; }
  workgroupBarrier();
  if (row > j) {
    let factor = block[row * ${B}u + j];
    for (var column = j + 1u; column <= row; column++) { block[row * ${B}u + column] -= factor * block[column * ${B}u + j]; }
  }
}
workgroupBarrier();
let own = (p.first / ${B}u) * ${B * B}u;
for (var i = 0u; i < p.size; i++) {
  if (local <= i) { matrix[(p.first + i) * p.n + p.first + local] = block[i * ${B}u + local]; }
}
// A thread finds a column of the inverse, of which it alone reads what it has written.
for (var i = 0u; i < ${B}u; i++) {
  var value = 0.0;
  if (i < p.size && local < p.size && i >= local) {
    value = select(0.0, 1.0, i == local);
    for (var j = local; j < i; j++) { value -= block[i * ${B}u + j] * inverses[own + j * ${B}u + local]; }
    value /= block[i * ${B}u + i];
  }
  inverses[own + i * ${B}u + local] = value;
}`,
  });
}

/**
 * Multiplies a block of columns of a matrix by the inverse of a factor on the diagonal, in its place: by its transpose on the way forward, as
 * it is on the way back. Dispatched over rows, 64 a workgroup.
 */
export function multiplyByInverse(gpu: GpuContext, way: "forward" | "back"): Shader {
  const B = CHOLESKY_BLOCK;
  const factor =
    way === "forward" ? `inverses[own + (column + j) * ${B}u + i]` : `inverses[own + i * ${B}u + column + j]`;
  return shader({
    gpu,
    params: { rows: "u32", firstRow: "u32", stride: "u32", first: "u32", size: "u32" },
    reads: { inverses: "array<f32>" },
    writes: { matrix: "array<f32>" },
    threads: 256,
    declarations: `var<workgroup> tile: array<f32, ${B * B}>;`,
    main: `
let own = (p.first / ${B}u) * ${B * B}u;
for (var i = local; i < ${B * B}u; i += 256u) {
  let row = group.x * ${B}u + i / ${B}u;
  let inside = row < p.rows && i % ${B}u < p.size;
  tile[i] = select(0.0, matrix[select(0u, (p.firstRow + row) * p.stride + p.first + i % ${B}u, inside)], inside);
}
workgroupBarrier();
let row = local / 4u;
if (group.x * ${B}u + row < p.rows) {
  for (var column = (local % 4u) * 4u; column < p.size; column += 16u) {
    var sums = vec4<f32>();
    for (var i = 0u; i < p.size; i++) {
      let value = tile[row * ${B}u + i];
${unrolled(4, (j) => `      sums[${j}] += value * ${factor.replace("+ j", `+ ${j}u`)};`)}
    }
    for (var j = 0u; j < 4u && column + j < p.size; j++) {
      matrix[(p.firstRow + group.x * ${B}u + row) * p.stride + p.first + column + j] = sums[j];
    }
  }
}`,
  });
}
