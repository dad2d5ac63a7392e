import type { GpuContext } from "../webgpu-device.ts";
import { type Shader, shader, unrolled } from "./shader.ts";

const MOST_THREADS = 1024;
/** Numbers that a thread asks for at a time. */
const AT_ONCE = 4;
/** Keys at which an interval of them is cut, in the search for where the likeliest tokens end. */
const CUTS = 7;
/** Key of the smallest number, −∞ apart. */
const SMALLEST = "0x00800000u";
/** More tokens than there are. */
const MANY = "16777216";

/**
 * Draws a token of each row, as `drawToken` does on the host: `draws` has 1 / temperature, topK, topP and the uniform number of each.
 * Dispatched as [rows].
 *
 * Logits become keys, whole numbers in the same order, 0 for what may not be drawn. The last of the likeliest tokens is searched by its
 * key: each round cuts an interval of keys, and adds up what lies above each cut, 1 for each token (topK) or its weight (topP).
 * The token drawn is searched by its place: each round divides places among the subgroups, which add up their weights. Places
 * without weight are never entered, so that the token has some however sums were rounded.
 */
export function drawToken(gpu: GpuContext): Shader {
  const { lanes } = gpu;
  const threads = Math.min(MOST_THREADS, gpu.device.limits.maxComputeInvocationsPerWorkgroup);
  const subgroups = threads / lanes;
  const sums = Array.from({ length: CUTS }, (_, n) => `sum${n}`);
  return shader({
    gpu,
    params: { features: "u32", excludedCount: "u32" },
    reads: { x: "array<f32>", excluded: "array<i32>", draws: "array<vec4<f32>>" },
    writes: { out: "array<i32>" },
    threads,
    declarations: `
var<workgroup> partial: array<f32, ${CUTS * subgroups}>;
var<workgroup> counts: array<u32, ${subgroups}>;
var<workgroup> width: u32;
var<private> row: u32;
var<private> inverseTemperature: f32;
/** Key of the largest logit. */
var<private> most: u32;

/** Tokens of greater keys, which amount to \`above\`, and so many of this one, the first. */
struct Cut { key: u32, ties: u32, above: f32 }

fn bitsAt(place: u32) -> u32 { return bitcast<u32>(x[row * p.features + min(place, p.features - 1u)]); }

/** Key of what is NaN or +∞. */
const BROKEN = 0xffffffffu;
fn isBroken(bits: u32) -> bool { return bits == 0x7f800000u || (bits & 0x7fffffffu) > 0x7f800000u; }

fn keyOf(bits: u32, place: u32, end: u32) -> u32 {
  var isDrawn = place < end;
  for (var e = 0u; e < p.excludedCount; e++) { isDrawn = isDrawn && u32(excluded[e]) != place; }
  // −0 is 0.
  let key = select(bits | 0x80000000u, ~bits, bits > 0x80000000u);
  return select(0u, key, isDrawn && key >= ${SMALLEST} && key <= 0xff800000u);
}

fn logitOf(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u)); }

/** The probability of a token as a share of the likeliest one's. */
fn weightOf(key: u32) -> f32 {
  let below = (logitOf(key) - logitOf(most)) * inverseTemperature;
  return select(select(exp(max(below, -200.0)), 1.0, key == most), 0.0, key == 0u);
}

/** Where tokens in order, the likeliest first, amount to \`wanted\`, or else where they end. */
fn cutWhere(wanted: f32, byWeight: bool, end: Cut, local: u32, lane: u32) -> Cut {
  // Keys from \`low\` on amount to \`wanted\`; those from \`high\` on amount to \`above\`, which is less.
  var low = end.key;
  var high = max(most, low) + 1u;
  var above = 0.0;
  loop {
    if (local == 0u) { width = high - low; }
    if (workgroupUniformLoad(&width) <= 1u) { break; }
    let step = (high - low + ${CUTS}u) / ${CUTS + 1}u;
${sums.map((sum, n) => `    let cut${n} = low + ${n + 1}u * step; var ${sum} = 0.0;`).join("\n")}
${forEachKey(
  threads,
  `if (key >= cut0 && key < high) {
    let amount = select(1.0, weightOf(key), byWeight);
    ${sums.map((sum, n) => `${sum} += select(0.0, amount, key >= cut${n});`).join(" ")}
  }`,
)}
${total(sums, subgroups, lanes)}
    let top = high;
    let base = above;
${sums
  .map(
    (sum, n) => `    if (high == top && cut${n} < top) {
      if (base + ${sum} >= wanted) { low = cut${n}; } else { high = cut${n}; above = base + ${sum}; }
    }`,
  )
  .join("\n")}
  }
  let amount = select(1.0, max(weightOf(low), 1e-30), byWeight);
  let ties = u32(clamp(ceil((wanted - above) / amount), 1.0, ${MANY}.0));
  return Cut(low, select(ties, min(ties, end.ties), low == end.key), above);
}`,
    main: `
row = group.x;
let subgroup = local / ${lanes}u;
let draw = draws[group.x];
inverseTemperature = draw.x;
${forEachKey(threads, "most = max(most, select(key, BROKEN, isBroken(bits)));")}
most = subgroupMax(most);
if (lane == 0u) { counts[subgroup] = most; }
workgroupBarrier();
for (var i = lane; i < ${subgroups}u; i += ${lanes}u) { most = max(most, counts[i]); }
most = subgroupMax(most);
let broken = most == BROKEN;
most = select(most, ${SMALLEST}, broken);

var kept = Cut(${SMALLEST}, ${MANY}u, 0.0);
if (draw.y < f32(p.features)) { kept = cutWhere(draw.y, false, kept, local, lane); }
if (draw.z < 1.0) {
  var sum = 0.0;
${forEachKey(threads, "if (key > kept.key) { sum += weightOf(key); }")}
${total(["sum"], subgroups, lanes)}
  kept = cutWhere(draw.z * (sum + f32(kept.ties) * weightOf(kept.key)), true, kept, local, lane);
}

let tieWeight = weightOf(kept.key);
var begin = 0u;
var end = p.features;
var ties = kept.ties;
var wanted = 0.0;
for (var size = p.features; size > 1u; size = (size + ${subgroups - 1}u) / ${subgroups}u) {
  let part = (size + ${subgroups - 1}u) / ${subgroups}u;
  let own = begin + subgroup * part;
  let ownEnd = min(end, own + part);
  var weight = 0.0;
  var tied = 0u;
  for (var first = own + lane; first < ownEnd; first += ${lanes * AT_ONCE}u) {
${unrolled(AT_ONCE, (n) => `    let bits${n} = bitsAt(first + ${n * lanes}u);`)}
${unrolled(
  AT_ONCE,
  (n) => `    {
      let key = keyOf(bits${n}, first + ${n * lanes}u, ownEnd);
      if (key > kept.key) { weight += weightOf(key); }
      tied += u32(key == kept.key);
    }`,
)}
  }
  weight = subgroupAdd(weight);
  tied = subgroupAdd(tied);
  workgroupBarrier();
  if (lane == 0u) { partial[subgroup] = weight; counts[subgroup] = tied; }
  workgroupBarrier();
  if (size == p.features) {
    var left = ties;
    var sum = 0.0;
    for (var s = 0u; s < ${subgroups}u; s++) {
      let here = min(counts[s], left);
      left -= here;
      sum += partial[s] + f32(here) * tieWeight;
    }
    wanted = draw.w * sum;
  }
  var left = ties;
  var reached = 0.0;
  var isFound = false;
  let start = begin;
  let last = end;
  let sought = wanted;
  for (var s = 0u; s < ${subgroups}u; s++) {
    let here = min(counts[s], left);
    let amount = partial[s] + f32(here) * tieWeight;
    if (!isFound && amount > 0.0) {
      begin = start + s * part;
      end = min(last, begin + part);
      ties = left;
      wanted = sought - reached;
      reached += amount;
      isFound = reached > sought;
    }
    left -= here;
  }
}
if (local == 0u) { out[group.x] = select(i32(begin), -1, broken); }`,
  });
}

/** A statement about the `key` of each token of a row. */
function forEachKey(threads: number, statement: string): string {
  return `
for (var first = local; first < p.features; first += ${threads * AT_ONCE}u) {
${unrolled(AT_ONCE, (n) => `  let bits${n} = bitsAt(first + ${n * threads}u);`)}
${unrolled(AT_ONCE, (n) => `  { let bits = bits${n}; let key = keyOf(bits, first + ${n * threads}u, p.features); ${statement} }`)}
}`;
}

/** Numbers of each thread become the sums of all threads' own. */
function total(names: readonly string[], subgroups: number, lanes: number): string {
  return `
workgroupBarrier();
${names
  .map(
    (name, n) => `${name} = subgroupAdd(${name});
if (lane == 0u) { partial[${n * subgroups}u + local / ${lanes}u] = ${name}; }
${name} = 0.0;`,
  )
  .join("\n")}
workgroupBarrier();
for (var i = lane; i < ${subgroups}u; i += ${lanes}u) {
${names.map((name, n) => `  ${name} += partial[${n * subgroups}u + i];`).join("\n")}
}
${names.map((name) => `${name} = subgroupAdd(${name});`).join("\n")}`;
}
