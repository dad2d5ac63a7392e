import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

const MOST_THREADS = 1024;
/** Numbers that a thread asks for at a time. */
const AT_ONCE = 16;

/** The place of each row's largest number, the first of equals; `excluded` ones do not count. Dispatched as [rows]. */
export function argmax(gpu: GpuContext): Shader {
  const threads = Math.min(MOST_THREADS, gpu.device.limits.maxComputeInvocationsPerWorkgroup);
  const subgroups = threads / gpu.lanes;
  return shader({
    gpu,
    params: { features: "u32", excludedCount: "u32" },
    reads: { x: "array<f32>", excluded: "array<i32>" },
    writes: { out: "array<i32>" },
    threads,
    declarations: `
var<workgroup> best: array<f32, ${subgroups}>;
var<workgroup> places: array<u32, ${subgroups}>;`,
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
${firstOfMost}
if (lane == 0u) {
  best[local / ${gpu.lanes}u] = most;
  places[local / ${gpu.lanes}u] = place;
}
workgroupBarrier();
if (local < ${gpu.lanes}u) {
  most = -3.4e38;
  place = 0xffffffffu;
  for (var i = lane; i < ${subgroups}u; i += ${gpu.lanes}u) {
    if (best[i] > most || (best[i] == most && places[i] < place)) { most = best[i]; place = places[i]; }
  }
  ${firstOfMost}
  if (lane == 0u) { out[group.x] = i32(min(place, p.features - 1u)); }
}`,
  });
}

/** WGSL: the largest of a subgroup, and the first place that has it. */
const firstOfMost = `{
  let largest = subgroupMax(most);
  place = subgroupMin(select(0xffffffffu, place, most == largest));
  most = largest;
}`;
