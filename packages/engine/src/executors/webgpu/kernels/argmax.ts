import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader } from "./shader.ts";

const THREADS = 256;

/** The place of each row's largest number, the first of equals; `excluded` ones do not count. Dispatched as [rows]. */
export function argmax(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params: { features: "u32", excludedCount: "u32" },
    reads: { x: "array<f32>", excluded: "array<i32>" },
    writes: { out: "array<i32>" },
    threads: THREADS,
    declarations: `
var<workgroup> best: array<f32, ${THREADS}>;
var<workgroup> places: array<u32, ${THREADS}>;`,
    main: `
best[local] = -3.4e38;
places[local] = 0xffffffffu;
for (var i = local; i < p.features; i += ${THREADS}u) {
  let value = x[group.x * p.features + i];
  if (value <= best[local] && places[local] != 0xffffffffu) { continue; }
  var counts = true;
  for (var e = 0u; e < p.excludedCount; e++) { counts = counts && u32(excluded[e]) != i; }
  if (counts) { best[local] = value; places[local] = i; }
}
for (var half = ${THREADS / 2}u; half > 0u; half /= 2u) {
  workgroupBarrier();
  if (local < half) {
    let other = best[local + half];
    let place = places[local + half];
    if (other > best[local] || (other == best[local] && place < places[local])) {
      best[local] = other;
      places[local] = place;
    }
  }
}
if (local == 0u) { out[group.x] = i32(places[0]); }`,
  });
}
