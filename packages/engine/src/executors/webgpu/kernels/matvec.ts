import type { GpuContext } from "../webgpu-device.ts";
import { MAP, mapFunction } from "./activation.ts";
import { groupOfWord, type LinearOptions, linearParams, linearReads } from "./linear.ts";
import { type Shader, shader, unrolled } from "./shader.ts";
import { weightFunctions, weightSetup } from "./weight-format.ts";

export interface MatvecOptions extends LinearOptions {
  /** x is normed first, as rmsNorm does. */
  readonly rmsNorm: boolean;
  /** Rows n and n + outputs of W give act(first) · second. */
  readonly gated: boolean;
  readonly tuning: MatvecTuning;
}

export interface MatvecTuning {
  /** Rows of W that a subgroup multiplies at once. */
  readonly rows: number;
  /** Subgroups that share a row. */
  readonly split: number;
  readonly threads: number;
}

/** Numbers of x that workgroup memory holds at a time. */
const TILE = 4096;

/** Outputs that a workgroup gives. */
export function matvecOutputs(gpu: GpuContext, { tuning, gated }: MatvecOptions): number {
  const rows = ((tuning.threads / gpu.lanes) * tuning.rows) / tuning.split;
  return gated ? rows / 2 : rows;
}

/**
 * x·Wᵀ for few tokens: a workgroup takes some rows of W to one token. Each subgroup streams `rows` rows, its lanes a word of each at a time,
 * next to each other; x waits in workgroup memory in the order in which lanes need it.
 *
 * Dispatched as [outputs / matvecOutputs, tokens].
 */
export function matvec(gpu: GpuContext, options: MatvecOptions): Shader {
  const { format, bias, activation, residual, rmsNorm, gated, tuning } = options;
  const { lanes } = gpu;
  const { rows, split, threads } = tuning;
  const quads = format.values / 4;
  const step = lanes * quads;
  const subgroups = threads / lanes;
  const outputs = gated ? rows / 2 : rows;
  const row = (r: number) =>
    gated && r >= outputs ? `min(first + ${r - outputs}u, p.n - 1u) + p.n` : `min(first + ${r}u, p.n - 1u)`;
  return shader({
    gpu,
    params: { ...linearParams, eps: "f32", normOffset: "f32" },
    reads: { ...linearReads(options), ...(rmsNorm ? { normWeight: "array<f32>" } : {}) },
    writes: { out: "array<f32>" },
    threads,
    declarations: `
${weightFunctions(format)}
${mapFunction(activation)}
var<workgroup> xs: array<vec4<f32>, ${TILE / 4}>;
var<workgroup> partial: array<f32, ${Math.max(subgroups * rows, subgroups)}>;
fn xAt(row: u32, at: u32) -> f32 {
  return select(0.0, x[row + min(at, p.k - 1u)], at < p.k);
}
${rmsNorm ? `fn normAt(at: u32) -> f32 { return normWeight[min(at, p.k - 1u)] + p.normOffset; }` : ""}`,
    main: `
${weightSetup(format)}
let subgroup = local / ${lanes}u;
let part = subgroup % ${split}u;
let first = (group.x * ${subgroups / split}u + subgroup / ${split}u) * ${outputs}u;
let xRow = p.xOffset + group.y * p.xStride;
${unrolled(rows, (r) => `let row${r} = ${row(r)}; var sum${r} = 0.0;`)}
var squares = 0.0;
for (var tile = 0u; tile < p.k; tile += ${TILE}u) {
  workgroupBarrier();
  for (var quad = local; quad < ${TILE / 4}u; quad += ${threads}u) {
    let at = tile + quad * 4u;
    var values = vec4<f32>(xAt(xRow, at), xAt(xRow, at + 1u), xAt(xRow, at + 2u), xAt(xRow, at + 3u));
    ${
      rmsNorm
        ? `squares += dot(values, values);
    values *= vec4<f32>(normAt(at), normAt(at + 1u), normAt(at + 2u), normAt(at + 3u));`
        : ""
    }
    xs[(quad / ${step}u) * ${step}u + (quad % ${quads}u) * ${lanes}u + (quad / ${quads}u) % ${lanes}u] = values;
  }
  workgroupBarrier();
  for (var s = part; s < ${TILE / 4 / step}u; s += ${split}u) {
    let word = tile / ${format.values}u + s * ${lanes}u + lane;
    if (word < p.rowWords) {
${unrolled(rows, (r) => `      let word${r} = words[row${r} * p.rowWords + word];`)}
      let inGroup = ${groupOfWord(format)};
${unrolled(quads, (q) => `      let x${q} = xs[s * ${step}u + ${q * lanes}u + lane];`)}
${unrolled(
  rows,
  (r) => `      {
        let at = row${r} * p.rowGroups + inGroup;
        let w = unpack(word${r}, zeroAt(at));
        sum${r} += scaleAt(at) * (${Array.from({ length: quads }, (_, q) => `dot(w[${q}], x${q})`).join(" + ")});
      }`,
)}
    }
  }
}
${unrolled(rows, (r) => `sum${r} = subgroupAdd(sum${r});`)}
${rmsNorm ? inverseNorm(subgroups, lanes) : "let inverse = 1.0;"}
${split > 1 ? sumOfParts(rows, split) : ""}
${unrolled(
  outputs,
  (r) => `if (part == 0u && lane == ${r % lanes}u && first + ${r}u < p.n) {
  let n = first + ${r}u;
  var value = sum${r} * inverse${bias ? " + bias[n]" : ""};
  ${
    gated
      ? `value = ${MAP}(value) * (sum${r + outputs} * inverse${bias ? " + bias[n + p.n]" : ""});`
      : `value = ${MAP}(value);`
  }
  ${residual ? "value += residual[p.residualOffset + group.y * p.residualStride + n];" : ""}
  out[p.outOffset + group.y * p.outStride + n] = value;
}`,
)}`,
  });
}

/** Declares `inverse`, 1 / √(mean(x²) + eps), from what the threads have summed. */
function inverseNorm(subgroups: number, lanes: number): string {
  return `
squares = subgroupAdd(squares);
workgroupBarrier();
if (lane == 0u) { partial[subgroup] = squares; }
workgroupBarrier();
var allSquares = 0.0;
for (var i = lane; i < ${subgroups}u; i += ${lanes}u) { allSquares += partial[i]; }
let inverse = inverseSqrt(subgroupAdd(allSquares) / f32(p.k) + p.eps);
workgroupBarrier();`;
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
