import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

/** Channels of both sides that a workgroup multiplies, each of 256 threads 8 × 8 of them, and rows that it takes at a time. */
export const CROSS_TILE = 128;
const DEPTH = 16;
const THREADS = 256;
/** Vectors of four channels in a row of a tile. */
const VECTORS = CROSS_TILE / 4;

export interface CrossOptions {
  /** Rows of both begin at multiples of four numbers. */
  readonly quads: boolean;
  /** Both are one: what is left of the diagonal's tiles is not computed. */
  readonly symmetric: boolean;
}

/**
 * Adds Σ aᵀ·b over rows, `[rows, aFeatures]` and `[rows, bFeatures]`, to sums `[aFeatures, bFeatures]`. Each dispatch adds its own sum to them,
 * so that many rows lose no more digits than few. Dispatched as [bFeatures / 128, aFeatures / 128].
 */
export function crossProducts(gpu: GpuContext, { quads, symmetric }: CrossOptions): Shader {
  const rows = quads ? "array<vec4<f32>>" : "array<f32>";
  const four = (name: "a" | "b") => `fn ${name}At(row: u32, channel: u32) -> vec4<f32> {
  let features = p.${name}Features;
  if (row >= p.rows || channel >= features) { return vec4<f32>(); }
  let at = row * features + channel;
  ${
    quads
      ? `return ${name}[at / 4u];`
      : `let last = features - 1u - channel;
  let found = vec4<f32>(${[0, 1, 2, 3].map((i) => `${name}[at + min(${i}u, last)]`).join(", ")});
  return select(vec4<f32>(), found, vec4<u32>(0u, 1u, 2u, 3u) <= vec4<u32>(last));`
  }
}`;
  const product = (i: number) => {
    const factor = `${i < 4 ? "a0" : "a1"}[${i % 4}]`;
    return `    sums[${2 * i}] += ${factor} * b0;
    sums[${2 * i + 1}] += ${factor} * b1;`;
  };
  return shader({
    gpu,
    params: { rows: "u32", aFeatures: "u32", bFeatures: "u32" },
    reads: { a: rows, b: rows },
    writes: { out: "array<f32>" },
    threads: THREADS,
    declarations: `
${four("a")}
${four("b")}
var<workgroup> left: array<vec4<f32>, ${DEPTH * VECTORS}>;
var<workgroup> right: array<vec4<f32>, ${DEPTH * VECTORS}>;`,
    main: `
${symmetric ? "if (group.x < group.y) { return; }" : ""}
let firstA = group.y * ${CROSS_TILE}u;
let firstB = group.x * ${CROSS_TILE}u;
let across = local % 16u;
let down = local / 16u;
var sums: array<vec4<f32>, 16>;
for (var row = 0u; row < p.rows; row += ${DEPTH}u) {
  workgroupBarrier();
  for (var i = local; i < ${DEPTH * VECTORS}u; i += ${THREADS}u) {
    let channel = 4u * (i % ${VECTORS}u);
    left[i] = aAt(row + i / ${VECTORS}u, firstA + channel);
    right[i] = bAt(row + i / ${VECTORS}u, firstB + channel);
  }
  workgroupBarrier();
  for (var k = 0u; k < ${DEPTH}u; k++) {
    let a0 = left[k * ${VECTORS}u + down];
    let a1 = left[k * ${VECTORS}u + 16u + down];
    let b0 = right[k * ${VECTORS}u + across];
    let b1 = right[k * ${VECTORS}u + 16u + across];
${unrolled(8, product)}
  }
}
for (var i = 0u; i < 8u; i++) {
  let m = firstA + 64u * (i / 4u) + 4u * down + i % 4u;
  if (m >= p.aFeatures) { continue; }
  for (var j = 0u; j < 8u; j++) {
    let n = firstB + 64u * (j / 4u) + 4u * across + j % 4u;
    if (n >= p.bFeatures) { continue; }
    out[m * p.bFeatures + n] += sums[2u * i + j / 4u][j % 4u];
  }
}`,
  });
}

/** Fills in what of a symmetric matrix `[size, size]` is left of the diagonal. Dispatched over its rows, 64 a workgroup. */
export function mirrorUpper(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: { size: "u32" },
    reads: {},
    writes: { out: "array<f32>" },
    threads: 64,
    main: `
let column = group.x * 64u + local;
let row = group.y;
if (column < row) { out[row * p.size + column] = out[column * p.size + row]; }`,
  });
}
