import type { GpuContext } from "../webgpu-device.ts";
import { MAP, type MapName, mapFunction } from "./activation.ts";
import { HALVED } from "./halves.ts";
import { type Shader, shader } from "./shader.ts";

/** What becomes of the numbers of one value, or of two. */
export type Elementwise =
  | { readonly of: "map"; readonly function: MapName }
  | { readonly of: "copy" }
  | { readonly of: "scale" }
  | { readonly of: "add" }
  | { readonly of: "gated"; readonly function: MapName };

export const ELEMENTWISE_THREADS = 256;

/**
 * Number by number; b's rows begin again after `bRows`. Dispatched over rows · features threads, or fewer.
 * @param halves whether the result is rows of halves; threads have two numbers then
 */
export function elementwise(gpu: GpuContext, operation: Elementwise, halves: boolean): Shader {
  const two = operation.of === "add" || operation.of === "gated";
  const named = "function" in operation ? operation.function : "none";
  const result = {
    copy: "first",
    map: `${MAP}(first)`,
    scale: "first * p.factor",
    add: "first + second",
    gated: `${MAP}(first) * second`,
  }[operation.of];
  return shader({
    gpu,
    params: {
      rows: "u32",
      features: "u32",
      aOffset: "u32",
      aStride: "u32",
      bOffset: "u32",
      bStride: "u32",
      bRows: "u32",
      outStride: "u32",
      factor: "f32",
    },
    reads: { a: "array<f32>", ...(two ? { b: "array<f32>" } : {}) },
    writes: { out: halves ? "array<u32>" : "array<f32>" },
    threads: ELEMENTWISE_THREADS,
    declarations: `
${mapFunction(named)}
${halves ? HALVED : ""}
fn resultAt(row: u32, column: u32) -> f32 {
  let first = a[p.aOffset + row * p.aStride + column];
  ${two ? "let second = b[p.bOffset + (row % p.bRows) * p.bStride + column];" : ""}
  return ${result};
}`,
    main: halves
      ? `
let width = p.outStride / 2u;
for (var i = group.x * ${ELEMENTWISE_THREADS}u + local; i < p.rows * width; i += groups.x * ${ELEMENTWISE_THREADS}u) {
  let row = i / width;
  let column = 2u * (i % width);
  var both = vec2<f32>();
  if (column < p.features) { both.x = resultAt(row, column); }
  if (column + 1u < p.features) { both.y = resultAt(row, column + 1u); }
  out[i] = halved(both.x, both.y);
}`
      : `
for (var i = group.x * ${ELEMENTWISE_THREADS}u + local; i < p.rows * p.features; i += groups.x * ${ELEMENTWISE_THREADS}u) {
  out[i] = resultAt(i / p.features, i % p.features);
}`,
  });
}

/** Rotates the two halves of each head. Dispatched as `elementwise` is. */
export function rotate(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: { rows: "u32", features: "u32", headDim: "u32", xOffset: "u32", xStride: "u32" },
    reads: { x: "array<f32>", cosines: "array<f32>", sines: "array<f32>" },
    writes: { out: "array<f32>" },
    threads: ELEMENTWISE_THREADS,
    main: `
let half = p.headDim / 2u;
for (var i = group.x * ${ELEMENTWISE_THREADS}u + local; i < p.rows * p.features; i += groups.x * ${ELEMENTWISE_THREADS}u) {
  let row = i / p.features;
  let column = i % p.features;
  let at = p.xOffset + row * p.xStride + column;
  let d = column % p.headDim;
  let turn = row * half + d % half;
  var other = 0.0;
  if (d < half) { other = -x[at + half]; } else { other = x[at - half]; }
  out[i] = x[at] * cosines[turn] + other * sines[turn];
}`,
  });
}
