import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

const THREADS = 256;
/** Numbers of a thread, which it asks for at once. */
const EACH = 8;

/** Numbers of a part of a row. */
export const ARGMAX_PART = THREADS * EACH;

/** What both dispatches give: numbers of a row, those of `excluded`, parts of a row. */
const params = { features: "u32", excludedCount: "u32", partCount: "u32" } as const;

/**
 * The largest number of each part of each row, as it is, and its place, the first of equals; `excluded` places do not count, NaN and +∞
 * go before all. Dispatched as [parts, rows].
 */
export function argmaxOfParts(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params,
    reads: { x: "array<f32>", excluded: "array<i32>" },
    writes: { parts: "array<vec2<u32>>" },
    threads: THREADS,
    declarations: most(gpu),
    main: `
var found = Found(-3.4e38, NOWHERE);
let first = group.x * ${ARGMAX_PART}u + local;
${unrolled(EACH, (n) => `let value${n} = x[group.y * p.features + min(first + ${n * THREADS}u, p.features - 1u)];`)}
${unrolled(
  EACH,
  (n) => `{
  let i = first + ${n * THREADS}u;
  if (i < p.features && isBroken(value${n})) { found = Found(LARGEST, BROKEN); }
  else if (i < p.features && (value${n} > found.value || found.place == NOWHERE)) {
    var counts = true;
    for (var e = 0u; e < p.excludedCount; e++) { counts = counts && u32(excluded[e]) != i; }
    if (counts) { found = Found(value${n}, i); }
  }
}`,
)}
found = mostOfAll(found, local, lane);
if (local == 0u) { parts[group.y * p.partCount + group.x] = vec2<u32>(bitcast<u32>(found.value), found.place); }`,
  });
}

/** The place of each row's largest number, of what `argmaxOfParts` gave. Dispatched as [rows]. */
export function argmaxOfRows(gpu: GpuContext): Shader {
  return shader({
    gpu,
    params,
    reads: { parts: "array<vec2<u32>>" },
    writes: { out: "array<i32>" },
    threads: THREADS,
    declarations: most(gpu),
    main: `
var found = Found(-3.4e38, NOWHERE);
for (var i = local; i < p.partCount; i += ${THREADS}u) {
  let part = parts[group.x * p.partCount + i];
  found = larger(found, Found(bitcast<f32>(part.x), part.y));
}
found = mostOfAll(found, local, lane);
if (local == 0u) { out[group.x] = select(i32(min(found.place, p.features - 1u)), -1, found.place == BROKEN); }`,
  });
}

/** WGSL: what was found, and `mostOfAll`, the largest that a workgroup found, for its first subgroup. */
function most({ lanes }: GpuContext): string {
  const subgroups = THREADS / lanes;
  return `
const NOWHERE = 0xffffffffu;
/** Place of a number that is NaN or +∞: the largest of all. */
const BROKEN = 0xfffffffeu;
const LARGEST = 3.40282346e38;
fn isBroken(value: f32) -> bool {
  let bits = bitcast<u32>(value);
  return bits == 0x7f800000u || (bits & 0x7fffffffu) > 0x7f800000u;
}
struct Found { value: f32, place: u32 }
var<workgroup> best: array<Found, ${subgroups}>;
fn larger(a: Found, b: Found) -> Found {
  if (b.place == NOWHERE) { return a; }
  if (a.place == NOWHERE || b.value > a.value || (b.value == a.value && b.place < a.place)) { return b; }
  return a;
}
/** The largest of a subgroup, and the first place that has it. */
fn mostOfSubgroup(found: Found) -> Found {
  let value = subgroupMax(select(-3.4e38, found.value, found.place != NOWHERE));
  return Found(value, subgroupMin(select(NOWHERE, found.place, found.value == value)));
}
fn mostOfAll(own: Found, local: u32, lane: u32) -> Found {
  let found = mostOfSubgroup(own);
  if (lane == 0u) { best[local / ${lanes}u] = found; }
  workgroupBarrier();
  var all = Found(-3.4e38, NOWHERE);
  for (var i = lane; i < ${subgroups}u; i += ${lanes}u) { all = larger(all, best[i]); }
  return mostOfSubgroup(all);
}`;
}
