// What norms of rows have in common, whether they stand alone or a product begins with one.
import type { GpuContext } from "../webgpu-device.ts";

export type NormKind = "layer" | "rms";

/** Whether rows, and where they begin, are at multiples of four numbers, so that shaders read them by fours. */
export function areQuads(...counts: readonly number[]): boolean {
  return counts.every((count) => count % 4 === 0);
}

/** WGSL: the type of a buffer of rows. */
export function rowsType(quads: boolean): string {
  return quads ? "array<vec4<f32>>" : "array<f32>";
}

/** Declares a function that gives four numbers of a row of so many, 0 behind its end. */
export function fourNumbers(name: string, buffer: string, length: number, quads: boolean): string {
  const inside = (i: number) =>
    `select(0.0, ${buffer}[row + min(k + ${i}u, ${length - 1}u)], k + ${i}u < ${length}u)`;
  return `fn ${name}(row: u32, k: u32) -> vec4<f32> {
  ${
    quads
      ? `if (k >= ${length}u) { return vec4<f32>(); }
  return ${buffer}[(row + k) / 4u];`
      : `return vec4<f32>(${[0, 1, 2, 3].map(inside).join(", ")});`
  }
}`;
}

/**
 * Declares `total(value, local, lane)`, the sum of a number of each thread, which all of them get (a barrier comes between two of them), and
 * `kept(four, k)`, which is 0 behind the end of a row of so many numbers.
 */
export function rowSums({ lanes }: GpuContext, length: number, threads: number): string {
  const subgroups = threads / lanes;
  const inside =
    length % 4 === 0
      ? `k < ${length}u`
      : `vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(${Array(4).fill(`${length}u`).join(", ")})`;
  return `
var<workgroup> sums: array<f32, ${subgroups}>;
fn total(value: f32, local: u32, lane: u32) -> f32 {
  let sum = subgroupAdd(value);
  if (lane == 0u) { sums[local / ${lanes}u] = sum; }
  workgroupBarrier();
  var all = 0.0;
  for (var i = lane; i < ${subgroups}u; i += ${lanes}u) { all += sums[i]; }
  return subgroupAdd(all);
}
fn kept(four: vec4<f32>, k: u32) -> vec4<f32> { return select(vec4<f32>(), four, ${inside}); }`;
}
