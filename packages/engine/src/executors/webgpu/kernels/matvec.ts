import type { GpuContext } from "../webgpu-device.ts";
import { MAP, mapFunction } from "./activation.ts";
import { type AttentionSplit, joinedSplits } from "./decode-attention.ts";
import { type LinearOptions, linearParams, linearReads } from "./linear.ts";
import { type Shader, shader, unrolled } from "./shader.ts";
import type { MatvecTuning } from "./tuning.ts";
import {
  inHalves,
  pairCount,
  pairFunctions,
  scaleIndex,
  shrunkBy,
  weightFunctions,
  weightSetup,
  wordsOfRow,
} from "./weight-format.ts";

export interface MatvecOptions extends LinearOptions {
  /** x is normed first, as rmsNorm does. */
  readonly rmsNorm: boolean;
  /** Rows n and n + outputs of W give act(first) · second. */
  readonly gated: boolean;
  /** Rows of x, and where they begin, are at multiples of four numbers. */
  readonly quads: boolean;
  /** x is what `decodeAttention` found in so many splits of the keys, to be put together first. */
  readonly split: AttentionSplit | undefined;
  readonly tuning: MatvecTuning;
}

/** Bytes of workgroup memory that are left for other things than x. */
const RESERVED = 2048;

/** Outputs that a workgroup gives. */
export function matvecOutputs(gpu: GpuContext, { tuning, gated }: MatvecOptions): number {
  const rows = ((tuning.threads / gpu.lanes) * tuning.rows) / tuning.split;
  return gated ? rows / 2 : rows;
}

/**
 * x·Wᵀ for few tokens: a workgroup takes some rows of W to one token. Each subgroup streams `rows` rows, its lanes a word of each at a
 * time, next to each other, while the words before them are multiplied; the first are on their way before x is there. x waits in
 * workgroup memory in the order in which lanes need it, in F16 where weights are multiplied so: sums of a word's products are F16 then,
 * those of words F32.
 *
 * Dispatched as [outputs / matvecOutputs, tokens].
 */
export function matvec(gpu: GpuContext, options: MatvecOptions): Shader {
  const { format, k, bias, activation, residual, rmsNorm, gated, quads, split: parts, tuning } = options;
  const { lanes } = gpu;
  const { rows, split, threads } = tuning;
  const halves = inHalves(gpu, format);
  /** Numbers of x in 16 bytes, and how many such go with a word. */
  const chunk = halves ? 8 : 4;
  const chunks = format.values / chunk;
  const subgroups = threads / lanes;
  const outputs = gated ? rows / 2 : rows;
  const rowWords = wordsOfRow(format, k);
  /** Words that the subgroups of a row take at a time, and how often all the row needs. */
  const stride = lanes * split;
  const steps = Math.ceil(rowWords / stride);
  const joinBytes = parts === undefined ? 0 : 4 * parts.splits * (k / parts.headDim);
  const room = Math.floor(
    (gpu.device.limits.maxComputeWorkgroupStorageSize - RESERVED - joinBytes) / (16 * stride * chunks),
  );
  const tile = Math.max(1, Math.min(steps, room));
  const rowOf = (r: number) =>
    gated && r >= outputs ? `min(first + ${r - outputs}u, p.n - 1u) + p.n` : `min(first + ${r}u, p.n - 1u)`;
  const load = (step: string) => `{
    let word = min((${step}) * ${stride}u + part * ${lanes}u + lane, ${rowWords - 1}u);
${unrolled(
  rows,
  (r) => `    next${r} = words[row${r} * ${rowWords}u + word];
    ${format.scales === undefined ? "" : `nextScale${r} = scaleAt(${scaleIndex(format, `row${r}`, k)});`}
    ${format.zeros ? `nextZero${r} = zeroAt(${scaleIndex(format, `row${r}`, k)});` : ""}`,
)}
  }`;
  const product = halves ? productInHalves : productInFull;
  const join = parts && joinedSplits("xAt", parts, k, threads);
  return shader({
    gpu,
    params: { ...linearParams, eps: "f32", normOffset: "f32" },
    reads: {
      ...linearReads(gpu, options),
      ...(quads ? { x: "array<vec4<f32>>" } : {}),
      ...(rmsNorm ? { normWeight: quads ? "array<vec4<f32>>" : "array<f32>" } : {}),
    },
    writes: { out: "array<f32>" },
    threads,
    declarations: `
${halves ? pairFunctions(gpu, format, true) : weightFunctions(gpu, format)}
${mapFunction(activation)}
var<workgroup> xs: array<${halves ? "vec4<u32>" : "vec4<f32>"}, ${tile * stride * chunks}>;
var<workgroup> partial: array<f32, ${subgroups * rows}>;
${join?.declarations ?? fourNumbers("xAt", "x", k, quads)}
${rmsNorm ? fourNumbers("normAt", "normWeight", k, quads) : ""}`,
    main: `
${weightSetup(format, halves ? "f16" : "f32")}
let subgroup = local / ${lanes}u;
let part = subgroup % ${split}u;
let first = (group.x * ${subgroups / split}u + subgroup / ${split}u) * ${outputs}u;
let xRow = ${join === undefined ? "p.xOffset + group.y * p.xStride" : "group.y"};
${unrolled(
  rows,
  (r) => `let row${r} = ${rowOf(r)};
var sum${r} = 0.0;
var next${r}: vec4<u32>;
var nextScale${r} = 1.0;
var nextZero${r} = 8.0;`,
)}
${load("0u")}
${join?.setup("group.y") ?? ""}
${rmsNorm ? inverseNorm(subgroups, threads, lanes, k) : ""}
for (var tile = 0u; tile < ${steps}u; tile += ${tile}u) {
  workgroupBarrier();
  for (var i = local; i < ${tile * stride * chunks}u; i += ${threads}u) {
    let k = tile * ${stride * format.values}u + i * ${chunk}u;
${unrolled(chunk / 4, (q) => quad(q, rmsNorm, halves))}
    let word = i / ${chunks}u;
    xs[(word / ${lanes}u) * ${lanes * chunks}u + (i % ${chunks}u) * ${lanes}u + word % ${lanes}u] = ${halves ? packed(pairCount(format)) : "x0"};
  }
  workgroupBarrier();
  for (var s = tile; s < min(tile + ${tile}u, ${steps}u); s++) {
${unrolled(rows, (r) => `    let word${r} = next${r}; let scale${r} = nextScale${r}; let zero${r} = nextZero${r};`)}
    ${steps > 1 ? load("s + 1u") : ""}
    let at = ((s - tile) * ${split}u + part) * ${lanes * chunks}u + lane;
${unrolled(chunks, (q) => `    let x${q} = xs[at + ${q * lanes}u];`)}
${unrolled(rows, (r) => `    {\n${product(r, format.values)}\n    }`)}
  }
}
${unrolled(rows, (r) => `sum${r} = subgroupAdd(sum${r});`)}
${split > 1 ? sumOfParts(rows, split) : ""}
${unrolled(
  outputs,
  (r) => `if (part == 0u && lane == ${r % lanes}u && first + ${r}u < p.n) {
  let n = first + ${r}u;
  let factor = ${halves ? shrunkBy(format) : 1}.0;
  var value = sum${r} * factor${bias ? " + bias[n]" : ""};
  ${
    gated
      ? `value = ${MAP}(value) * (sum${r + outputs} * factor${bias ? " + bias[n + p.n]" : ""});`
      : `value = ${MAP}(value);`
  }
  ${residual ? "value += residual[p.residualOffset + group.y * p.residualStride + n];" : ""}
  out[p.outOffset + group.y * p.outStride + n] = value;
}`,
)}`,
  });
}

/** Declares a function that gives four numbers of a row of k, 0 behind its end. */
function fourNumbers(name: string, buffer: string, k: number, quads: boolean): string {
  const inside = (i: number) => `select(0.0, ${buffer}[row + min(k + ${i}u, ${k - 1}u)], k + ${i}u < ${k}u)`;
  return `fn ${name}(row: u32, k: u32) -> vec4<f32> {
  ${
    quads
      ? `if (k >= ${k}u) { return vec4<f32>(); }
  return ${buffer}[(row + k) / 4u];`
      : `return vec4<f32>(${[0, 1, 2, 3].map(inside).join(", ")});`
  }
}`;
}

/** WGSL: `x0`, `x1` …, four numbers each, normed where asked for; those too large for F16 become its largest. */
function quad(q: number, rmsNorm: boolean, halves: boolean): string {
  const at = `k + ${4 * q}u`;
  const x = `xAt(xRow, ${at})${rmsNorm ? ` * inverse * (normAt(0u, ${at}) + p.normOffset)` : ""}`;
  return `    let x${q} = ${halves ? `clamp(${x}, vec4<f32>(-65504.0), vec4<f32>(65504.0))` : x};`;
}

/** WGSL: eight numbers in F16, paired as `pairs` pairs those of 32 bits of a weight. */
function packed(pairs: number): string {
  const number = (i: number) => `f16(x${i >> 2}[${i & 3}])`;
  const words = Array.from({ length: 4 }, (_, i) => {
    const first = Math.floor(i / pairs) * 2 * pairs + (i % pairs);
    return `bitcast<u32>(vec2<f16>(${number(first)}, ${number(first + pairs)}))`;
  });
  return `vec4<u32>(${words.join(", ")})`;
}

function productInHalves(r: number, values: number): string {
  const pairs = values / 8;
  return `      var sum = vec2<f16>();
${unrolled(4, (bits) => {
  const products = unrolled(pairs, (j) => {
    const i = bits * pairs + j;
    return `      sum = fma(w${bits}[${j}], bitcast<vec2<f16>>(x${i >> 2}[${i & 3}]), sum);`;
  });
  return `      let w${bits} = pairs(word${r}[${bits}], f16(zero${r}));\n${products}`;
})}
      sum${r} += scale${r} * (f32(sum.x) + f32(sum.y));`;
}

function productInFull(r: number, values: number): string {
  const dots = Array.from({ length: values / 4 }, (_, q) => `dot(w[${q}], x${q})`);
  return `      let w = unpack(word${r}, zero${r});
      sum${r} += scale${r} * (${dots.join(" + ")});`;
}

/**
 * Declares `inverse`, 1 / √(mean(x²) + eps). It is known before x becomes F16, since what models carry from layer to layer may be too large
 * for that, and normed never is.
 */
function inverseNorm(subgroups: number, threads: number, lanes: number, k: number): string {
  return `
var squares = 0.0;
for (var k = 4u * local; k < ${k}u; k += ${4 * threads}u) {
  let raw = xAt(xRow, k);
  squares += dot(raw, raw);
}
squares = subgroupAdd(squares);
if (lane == 0u) { partial[subgroup] = squares; }
workgroupBarrier();
var allSquares = 0.0;
for (var i = lane; i < ${subgroups}u; i += ${lanes}u) { allSquares += partial[i]; }
let inverse = inverseSqrt(subgroupAdd(allSquares) / ${k}.0 + p.eps);`;
}

function sumOfParts(rows: number, split: number): string {
  return `
if (lane == 0u) {
${unrolled(rows, (r) => `  partial[subgroup * ${rows}u + ${r}u] = sum${r};`)}
}
workgroupBarrier();
${unrolled(
  rows,
  (r) => `if (part == 0u) {
  ${Array.from({ length: split - 1 }, (_, i) => `sum${r} += partial[(subgroup + ${i + 1}u) * ${rows}u + ${r}u];`).join(" ")}
}`,
)}`;
}
