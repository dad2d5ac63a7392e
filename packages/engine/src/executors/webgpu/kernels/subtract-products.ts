import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

/** Rows and columns of a workgroup, each of 256 threads 8 × 8 of them. */
export const SUBTRACT_TILE = 128;
const DEPTH = 8;
const THREADS = 256;
/** Numbers of a row of a tile, apart so that threads write to different banks. */
const ROW = SUBTRACT_TILE + 4;

export interface SubtractOptions {
  /** What lies where: both factors in the matrix that is changed, the left one, or none. */
  readonly inside: "both" | "left" | "none";
  /** The right factor is `[columns, depth]`, or `[depth, columns]`. */
  readonly right: "transposed" | "plain";
  /** Only what is not right of the diagonal is wanted. */
  readonly lower: boolean;
  /** Sums over the depth keep what they lose (Kahan), as residuals need it. */
  readonly compensated: boolean;
}

/** out −= left · right, parts of matrices given by offsets and strides. Dispatched as [columns / 128, rows / 128]. */
export function subtractProducts(gpu: GpuContext, options: SubtractOptions): Shader {
  const { inside, right, lower, compensated } = options;
  const left = inside === "none" ? "left" : "out";
  const other = inside === "both" ? "out" : "right";
  const rightAt =
    right === "transposed"
      ? { at: `column * p.rightStride + depth + k`, k: `i % ${DEPTH}u`, across: `i / ${DEPTH}u` }
      : {
          at: `(depth + k) * p.rightStride + column`,
          k: `i / ${SUBTRACT_TILE}u`,
          across: `i % ${SUBTRACT_TILE}u`,
        };
  const sums = compensated ? "part" : "sums";
  return shader({
    gpu,
    params: {
      rows: "u32",
      columns: "u32",
      depth: "u32",
      leftOffset: "u32",
      leftStride: "u32",
      rightOffset: "u32",
      rightStride: "u32",
      outOffset: "u32",
      outStride: "u32",
    },
    reads: {
      ...(inside === "none" ? { left: "array<f32>" } : {}),
      ...(inside === "both" ? {} : { right: "array<f32>" }),
    },
    writes: { out: "array<f32>" },
    threads: THREADS,
    declarations: `
var<workgroup> lefts: array<f32, ${DEPTH * ROW}>;
var<workgroup> rights: array<f32, ${DEPTH * ROW}>;`,
    main: `
${lower ? "if (group.x > group.y) { return; }" : ""}
let firstRow = group.y * ${SUBTRACT_TILE}u;
let firstColumn = group.x * ${SUBTRACT_TILE}u;
let across = local % 16u;
let down = local / 16u;
var sums: array<vec4<f32>, 16>;
${compensated ? "var lost: array<vec4<f32>, 16>;\nvar part: array<vec4<f32>, 16>;" : ""}
for (var depth = 0u; depth < p.depth; depth += ${DEPTH}u) {
  workgroupBarrier();
  for (var i = local; i < ${DEPTH * SUBTRACT_TILE}u; i += ${THREADS}u) {
    let k = i % ${DEPTH}u;
    let row = firstRow + i / ${DEPTH}u;
    let inside = row < p.rows && depth + k < p.depth;
    lefts[k * ${ROW}u + i / ${DEPTH}u] = select(0.0, ${left}[p.leftOffset + select(0u, row * p.leftStride + depth + k, inside)], inside);
  }
  for (var i = local; i < ${DEPTH * SUBTRACT_TILE}u; i += ${THREADS}u) {
    let k = ${rightAt.k};
    let column = firstColumn + ${rightAt.across};
    let inside = column < p.columns && depth + k < p.depth;
    rights[k * ${ROW}u + ${rightAt.across}] = select(0.0, ${other}[p.rightOffset + select(0u, ${rightAt.at}, inside)], inside);
  }
  workgroupBarrier();
  ${compensated ? "part = array<vec4<f32>, 16>();" : ""}
  for (var k = 0u; k < ${DEPTH}u; k++) {
    let a = k * ${ROW}u + 4u * down;
    let b = k * ${ROW}u + 4u * across;
    let b0 = vec4<f32>(rights[b], rights[b + 1u], rights[b + 2u], rights[b + 3u]);
    let b1 = vec4<f32>(rights[b + 64u], rights[b + 65u], rights[b + 66u], rights[b + 67u]);
${unrolled(8, (i) => {
  const at = i < 4 ? `a + ${i}u` : `a + ${60 + i}u`;
  return `    let a${i} = lefts[${at}];
    ${sums}[${2 * i}] += a${i} * b0;
    ${sums}[${2 * i + 1}] += a${i} * b1;`;
})}
  }
${
  compensated
    ? unrolled(
        16,
        (i) => `  {
    let added = part[${i}] - lost[${i}];
    let sum = sums[${i}] + added;
    lost[${i}] = (sum - sums[${i}]) - added;
    sums[${i}] = sum;
  }`,
      )
    : ""
}
}
for (var i = 0u; i < 8u; i++) {
  let row = firstRow + 64u * (i / 4u) + 4u * down + i % 4u;
  if (row >= p.rows) { continue; }
  for (var j = 0u; j < 8u; j++) {
    let column = firstColumn + 64u * (j / 4u) + 4u * across + j % 4u;
    if (column >= p.columns) { continue; }
    out[p.outOffset + row * p.outStride + column] -= sums[2u * i + j / 4u][j % 4u];
  }
}`,
  });
}
