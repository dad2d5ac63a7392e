import type { GpuContext } from "../webgpu-device.ts";
import { type AttentionOptions, attentionParams, cacheType } from "./attention.ts";
import { type Shader, shader, unrolled } from "./shader.ts";
import { UNITS } from "./tuning.ts";

const MOST_THREADS = 512;
/** Words of a key that a lane has, at least, where there are so many. */
const WORDS = 2;
/** Tokens of a cache that a workgroup takes, at most and at least. */
const MOST_KEYS = 2048;
const LEAST_KEYS = 128;

export interface DecodeOptions extends AttentionOptions {
  /** Queries, keys and values are in one buffer. */
  readonly together: boolean;
}

/** Numbers of a cache in 16 bytes. */
function cacheWord(gpu: GpuContext): number {
  return cacheType(gpu) === "f16" ? 8 : 4;
}

/** Whether heads are whole words of 16 bytes, as `decodeAttention` reads them. */
export function canDecode(gpu: GpuContext, headDim: number): boolean {
  return headDim % (2 * cacheWord(gpu)) === 0;
}

/** Workgroups that share the keys of a head, in a batch with so many heads. */
export function decodeSplits(capacity: number, heads: number): number {
  const wanted = Math.max(Math.floor(UNITS / heads), Math.ceil(capacity / MOST_KEYS));
  return Math.max(1, Math.min(16, wanted, Math.floor(capacity / LEAST_KEYS)));
}

/**
 * What `decodeAttention` gives where several workgroups share a head: for each sequence and split a row of weighted sums of values `[heads ·
 * headDim]`; behind them all, for each sequence, head and split, its largest score and the sum of its weights.
 */
export interface AttentionSplit {
  readonly splits: number;
  readonly headDim: number;
}

/**
 * Attention of one new token of each sequence to its cache, to which its own key, rotated, and value are added: the keys of a head are
 * shared by `splits` workgroups, as in flash decoding, by the subgroups of each, and by groups of lanes that have a key together. With more
 * than one split, `out` is an `AttentionSplit`. Dispatched as [heads, splits, batch].
 */
export function decodeAttention(gpu: GpuContext, options: DecodeOptions, splits: number): Shader {
  const { headDim, rotary, bias, softcap, window, together } = options;
  const [ofKeys, ofValues] = together ? ["q", "q"] : ["k", "v"];
  const f16 = cacheType(gpu) === "f16";
  const numbers = cacheWord(gpu);
  const headWords = headDim / numbers;
  /** Lanes that have a key together, and the words that each has of it. */
  const sharing = lanesOfKey(gpu, headWords);
  const share = headWords / sharing;
  const slots = gpu.lanes / sharing;
  const threads = decodeThreads(gpu, headDim);
  const subgroups = threads / gpu.lanes;
  const quads = (share * numbers) / 4;
  const decoded = (word: string, q: number) => {
    const [a, b] = [`${word}[${2 * (q % 2)}]`, `${word}[${2 * (q % 2) + 1}]`];
    return f16 ? `vec4<f32>(unpack2x16float(${a}), unpack2x16float(${b}))` : `bitcast<vec4<f32>>(${word})`;
  };
  const perWord = numbers / 4;
  const dots = (key: (q: number) => string) =>
    Array.from({ length: quads }, (_, q) => `dot(q${q}, ${key(q)})`).join(" + ");
  const added = (token: string) =>
    bias ? ` + max(bias[batch * p.biasBatch + head * p.biasHead + ${token}], -1e30)` : "";
  const encoded = (name: string, i: number) =>
    f16
      ? `vec4<u32>(${[0, 1]
          .flatMap((q) => ["xy", "zw"].map((part) => `pack2x16float(${name}${2 * i + q}.${part})`))
          .join(", ")})`
      : `bitcast<vec4<u32>>(${name}${i})`;
  return shader({
    gpu,
    params: { ...attentionParams, capacity: "u32" },
    reads: {
      q: "array<f32>",
      ...(together ? {} : { k: "array<f32>", v: "array<f32>" }),
      past: "array<i32>",
      ...(rotary ? { cosines: "array<f32>", sines: "array<f32>" } : {}),
      ...(bias ? { bias: "array<f32>" } : {}),
    },
    writes: { keys: "array<vec4<u32>>", values: "array<vec4<u32>>", out: "array<f32>" },
    threads,
    declarations: `
var<workgroup> query: array<f32, ${headDim}>;
var<workgroup> newKey: array<f32, ${headDim}>;
var<workgroup> newValue: array<f32, ${headDim}>;
var<workgroup> mosts: array<f32, ${subgroups}>;
var<workgroup> totals: array<f32, ${subgroups}>;
var<workgroup> sums: array<f32, ${subgroups * headDim}>;
${turned("query", "q", headDim, rotary)}
${turned("key", ofKeys, headDim, rotary)}
fn scored(sum: f32) -> f32 {
  var score = sum;
${unrolled(Math.log2(sharing), (i) => `  score += subgroupShuffleXor(score, ${2 ** i}u);`)}
  return ${softcap ? "p.softcap * tanh(clamp(score / p.softcap, -15.0, 15.0))" : "score"};
}`,
    main: `
let batch = group.z;
let head = group.x;
let kvHead = head * p.kvHeads / p.heads;
let subgroup = local / ${gpu.lanes}u;
let slot = lane / ${sharing}u;
let own = lane % ${sharing}u;
let qRow = p.qOffset + batch * p.qStride + head * ${headDim}u;
let kRow = p.kOffset + batch * p.kStride + kvHead * ${headDim}u;
let vRow = p.vOffset + batch * p.vStride + kvHead * ${headDim}u;
let length = u32(past[batch]);
let visible = ${window && !bias ? "select(0u, length + 1u - p.window, length + 1u > p.window)" : "0u"};
let each = (length - min(visible, length) + ${splits - 1}u) / ${splits}u;
let start = min(visible, length) + group.y * each;
let end = min(length, start + each);
for (var d = local; d < ${headDim}u; d += ${threads}u) {
  query[d] = p.scale * queryTurned(qRow, d, batch);
  newKey[d] = keyTurned(kRow, d, batch);
  newValue[d] = ${ofValues}[vRow + d];
}
workgroupBarrier();
${unrolled(quads, (q) => `let at${q} = ${placeOf(q, perWord, sharing, numbers)};`)}
${unrolled(quads, (q) => `let q${q} = ${fourOf("query", `at${q}`)}; var sum${q} = vec4<f32>();`)}
var most = -3e38;
var total = 0.0;
if (group.y == ${splits - 1}u && subgroup == 0u) {
${unrolled(quads, (q) => `  let newKey${q} = ${fourOf("newKey", `at${q}`)}; let newValue${q} = ${fourOf("newValue", `at${q}`)};`)}
  let score = scored(${dots((q) => `newKey${q}`)})${added("length")};
  if (slot == 0u) {
    most = score;
    total = 1.0;
${unrolled(quads, (q) => `    sum${q} = newValue${q};`)}
    // One of the heads that share a key keeps it. Padding may reach past the end; nobody sees it.
    if (head * p.kvHeads % p.heads < p.kvHeads && length < p.capacity) {
      let row = ((batch * p.capacity + length) * p.kvHeads + kvHead) * ${headWords}u + own;
${unrolled(share, (i) => `      keys[row + ${i * sharing}u] = ${encoded("newKey", i)};\n      values[row + ${i * sharing}u] = ${encoded("newValue", i)};`)}
    }
  }
}
for (var first = start; first < end; first += ${subgroups * slots}u) {
  let token = first + subgroup * ${slots}u + slot;
  let row = ((batch * p.capacity + min(token, end - 1u)) * p.kvHeads + kvHead) * ${headWords}u + own;
${unrolled(share, (i) => `  let key${i} = keys[row + ${i * sharing}u]; let value${i} = values[row + ${i * sharing}u];`)}
  let score = select(-3e38, scored(${dots((q) => decoded(`key${Math.floor(q / perWord)}`, q))})${added("min(token, end - 1u)")}, token < end);
  let newMost = max(most, score);
  let kept = exp(most - newMost);
  let weight = select(0.0, exp(score - newMost), token < end);
  most = newMost;
  total = total * kept + weight;
${unrolled(quads, (q) => `  sum${q} = sum${q} * kept + weight * ${decoded(`value${Math.floor(q / perWord)}`, q)};`)}
}
let subgroupMost = subgroupMax(most);
let kept = exp(most - subgroupMost);
total *= kept;
${unrolled(quads, (q) => `sum${q} *= kept;`)}
${unrolled(Math.log2(slots), (i) => {
  const distance = `${sharing * 2 ** i}u`;
  return `total += subgroupShuffleXor(total, ${distance});
${unrolled(quads, (q) => `sum${q} += subgroupShuffleXor(sum${q}, ${distance});`)}`;
})}
if (lane == 0u) { mosts[subgroup] = subgroupMost; totals[subgroup] = total; }
if (slot == 0u) {
${unrolled(quads, (q) => unrolled(4, (i) => `  sums[subgroup * ${headDim}u + at${q} + ${i}u] = sum${q}[${i}];`))}
}
workgroupBarrier();
var allMost = mosts[0];
for (var i = 1u; i < ${subgroups}u; i++) { allMost = max(allMost, mosts[i]); }
var allTotal = 0.0;
for (var i = 0u; i < ${subgroups}u; i++) { allTotal += exp(mosts[i] - allMost) * totals[i]; }
${splits === 1 ? "let part = batch * p.outStride;" : `let part = (batch * ${splits}u + group.y) * p.heads * ${headDim}u;`}
for (var d = local; d < ${headDim}u; d += ${threads}u) {
  var sum = 0.0;
  for (var i = 0u; i < ${subgroups}u; i++) { sum += exp(mosts[i] - allMost) * sums[i * ${headDim}u + d]; }
  out[part + head * ${headDim}u + d] = sum${splits === 1 ? " / allTotal" : ""};
}
${
  splits === 1
    ? ""
    : `if (local == 0u) {
  let at = groups.z * ${splits}u * p.heads * ${headDim}u + 2u * ((batch * p.heads + head) * ${splits}u + group.y);
  out[at] = allMost;
  out[at + 1u] = allTotal;
}`
}`,
  });
}

/** As many as have room for their sums. */
function decodeThreads({ device, lanes }: GpuContext, headDim: number): number {
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize } = device.limits;
  const others = 4 * 3 * headDim;
  let threads = Math.min(MOST_THREADS, maxComputeInvocationsPerWorkgroup);
  while (others + (threads / lanes) * 4 * (headDim + 2) > maxComputeWorkgroupStorageSize) threads /= 2;
  return threads;
}

function lanesOfKey(gpu: GpuContext, headWords: number): number {
  let lanes = 1;
  while (2 * lanes <= gpu.lanes && headWords % (2 * lanes) === 0 && headWords / (2 * lanes) >= WORDS)
    lanes *= 2;
  return lanes;
}

/** WGSL: where in a head the q-th four numbers of a lane are. */
function placeOf(q: number, perWord: number, sharing: number, numbers: number): string {
  return `(own + ${Math.floor(q / perWord) * sharing}u) * ${numbers}u + ${(q % perWord) * 4}u`;
}

function fourOf(name: string, at: string): string {
  return `vec4<f32>(${[0, 1, 2, 3].map((i) => `${name}[${at} + ${i}u]`).join(", ")})`;
}

/** Declares `…Turned`, which gives a number of a head's row in a buffer, rotated where heads are. */
function turned(name: string, buffer: string, headDim: number, rotary: boolean): string {
  const half = headDim / 2;
  return `fn ${name}Turned(row: u32, d: u32, batch: u32) -> f32 {
  ${
    rotary
      ? `let turn = batch * ${half}u + d % ${half}u;
  let other = select(${buffer}[row + d - min(d, ${half}u)], -${buffer}[row + min(d + ${half}u, ${headDim - 1}u)], d < ${half}u);
  return ${buffer}[row + d] * cosines[turn] + other * sines[turn];`
      : `return ${buffer}[row + d];`
  }
}`;
}

/**
 * WGSL that puts an `AttentionSplit` x together, four numbers at a time.
 * @param width numbers of a sequence's row
 * @returns declarations; `read(name, row, k)`, which asks for the four numbers of a sequence's row at k; what a workgroup does before it uses
 *   them, for one row of so many; and, behind a barrier, `sum(name, k)`: the numbers themselves, 0 behind the row's end
 */
export function joinedSplits({ splits, headDim }: AttentionSplit, width: number, threads: number) {
  const heads = width / headDim;
  const all = Array.from({ length: splits }, (_, i) => i);
  return {
    declarations: `
/** What each split counts for in its head. */
var<workgroup> shares: array<f32, ${heads * splits}>;
fn stat(at: u32) -> f32 { return x[at / 4u][at % 4u]; }`,
    read: (name: string, row: string, k: string) =>
      all
        .map(
          (i) =>
            `let ${name}_${i} = x[(${row} * ${splits * width}u + min(${k}, ${width - 4}u) + ${i * width}u) / 4u];`,
        )
        .join("\n"),
    setup: (row: string, rows: string) => `
for (var head = local; head < ${heads}u; head += ${threads}u) {
  let at = ${rows} * ${splits * width}u + 2u * ${splits}u * (${row} * ${heads}u + head);
${unrolled(splits, (i) => `  let most${i} = stat(at + ${2 * i}u);`)}
${unrolled(splits, (i) => `  let total${i} = stat(at + ${2 * i + 1}u);`)}
  let most = ${all.map((i) => `most${i}`).reduce((a, b) => `max(${a}, ${b})`)};
${unrolled(splits, (i) => `  let weight${i} = exp(most${i} - most);`)}
  let inverse = 1.0 / (${all.map((i) => `weight${i} * total${i}`).join(" + ")});
${unrolled(splits, (i) => `  shares[head * ${splits}u + ${i}u] = weight${i} * inverse;`)}
}`,
    sum: (name: string, k: string) => {
      const share = (i: number) => `shares[min(${k}, ${width - 4}u) / ${headDim}u * ${splits}u + ${i}u]`;
      return `select(vec4<f32>(), ${all.map((i) => `${share(i)} * ${name}_${i}`).join(" + ")}, ${k} < ${width}u)`;
    },
  };
}

/** Puts an `AttentionSplit` together. Dispatched as [sequences]. */
export function joinSplits(gpu: GpuContext, split: AttentionSplit, width: number): Shader {
  const threads = 256;
  const { declarations, read, setup, sum } = joinedSplits(split, width, threads);
  return shader({
    gpu,
    params: { outStride: "u32" },
    reads: { x: "array<vec4<f32>>" },
    writes: { out: "array<f32>" },
    threads,
    declarations,
    main: `
${setup("group.x", "groups.x")}
workgroupBarrier();
for (var k = 4u * local; k < ${width}u; k += ${4 * threads}u) {
  ${read("four", "group.x", "k")}
  let numbers = ${sum("four", "k")};
  for (var i = 0u; i < 4u; i++) { out[group.x * p.outStride + k + i] = numbers[i]; }
}`,
  });
}
