import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

const MOST_THREADS = 1024;
/** Numbers that a thread asks for at a time. */
const AT_ONCE = 4;

/** The place of each row's largest number, the first of equals; `excluded` ones do not count. Dispatched as [rows]. */
export function argmax(gpu: GpuContext): Shader {
  const threads = Math.min(MOST_THREADS, gpu.device.limits.maxComputeInvocationsPerWorkgroup);
  return shader({
    gpu,
    params: { features: "u32", excludedCount: "u32" },
    reads: { x: "array<f32>", excluded: "array<i32>" },
    writes: { out: "array<i32>" },
    threads,
    declarations: `
var<workgroup> best: array<f32, ${threads}>;
var<workgroup> places: array<u32, ${threads}>;`,
    main: `
var most = -3.4e38;
var place = 0xffffffffu;
for (var first = local; first < p.features; first += ${threads * AT_ONCE}u) {
${unrolled(AT_ONCE, (n) => `  let value${n} = x[group.x * p.features + min(first + ${n * threads}u, p.features - 1u)];`)}
${unrolled(
  AT_ONCE,
  (n) => `  {
    let i = first + ${n * threads}u;
    if (i < p.features && (value${n} > most || place == 0xffffffffu)) {
      var counts = true;
      for (var e = 0u; e < p.excludedCount; e++) { counts = counts && u32(excluded[e]) != i; }
      if (counts) { most = value${n}; place = i; }
    }
  }`,
)}
}
best[local] = most;
places[local] = place;
for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
  workgroupBarrier();
  if (local < half) {
    let other = best[local + half];
    let there = places[local + half];
    if (other > best[local] || (other == best[local] && there < places[local])) {
      best[local] = other;
      places[local] = there;
    }
  }
}
if (local == 0u) { out[group.x] = i32(places[0]); }`,
  });
}
