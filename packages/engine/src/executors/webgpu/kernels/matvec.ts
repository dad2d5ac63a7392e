import type { GpuContext } from "../webgpu-device.ts";
import { MAP, mapFunction } from "./activation.ts";
import { type AttentionSplit, joinedSplits } from "./decode-attention.ts";
import { type LinearOptions, linearParams, linearReads } from "./linear.ts";
import { fourNumbers, type NormKind, rowSums, rowsType } from "./row-norm.ts";
import { type Shader, shader, unrolled } from "./shader.ts";
import { type MatvecTuning, UNITS } from "./tuning.ts";
import {
  inHalves,
  middleOf,
  pairCount,
  pairFunctions,
  pairsOf,
  scaleIndex,
  shrunkBy,
  type WeightFormat,
  weightFunctions,
  weightSetup,
  wordsOfRow,
  wordsToNextRow,
} from "./weight-format.ts";

export interface MatvecOptions extends LinearOptions {
  /** x is normed first. */
  readonly norm: { readonly kind: NormKind; readonly bias: boolean } | undefined;
  /** Rows n and n + outputs of W give act(first) · second. */
  readonly gated: boolean;
  /** Rows of x, and where they begin, are at multiples of four numbers. */
  readonly quads: boolean;
  /** x is what `decodeAttention` found in so many splits of the keys, to be put together first. */
  readonly split: AttentionSplit | undefined;
  readonly tuning: MatvecTuning;
}

const { m: _, ...places } = linearParams;
const matvecParams = { ...places, eps: "f32", normOffset: "f32" } as const;
export type MatvecParams = Readonly<Record<keyof typeof matvecParams, number>>;

/** Bytes of workgroup memory that are left for other things than x. */
const RESERVED = 2048;

/** Workgroups that a product of so many outputs is dispatched to. */
export function matvecGroups(gpu: GpuContext, options: MatvecOptions, n: number): number {
  const blocks = Math.ceil(n / outputsOfBlock(gpu, options));
  return Math.min(blocks, UNITS * options.tuning.perUnit);
}

/** Outputs that a workgroup gives at a time. */
function outputsOfBlock({ lanes }: GpuContext, { tuning, gated }: MatvecOptions): number {
  const { rows, split, threads } = tuning;
  return ((threads / lanes) * (gated ? rows / 2 : rows)) / split;
}

/**
 * x·Wᵀ for few tokens: a workgroup takes some rows of W to one token, and others after them. Each subgroup streams `rows` rows, its lanes a
 * word of each at a time, next to each other, while the words before them are multiplied; the first are on their way before x is there, and
 * those of the next rows before these are done. x waits in workgroup memory in the order in which lanes need it, in F16 where weights are
 * multiplied so: sums of a word's products are F16 then, those of words F32.
 *
 * Dispatched as [matvecGroups, tokens].
 * @param constants known when the shader is compiled, so that no thread waits for them: what they are is the same in all layers
 */
export function matvec(gpu: GpuContext, options: MatvecOptions, constants: MatvecParams): Shader {
  const { format, k, bias, activation, residual, norm, gated, quads, split: parts, tuning } = options;
  const { lanes } = gpu;
  const { rows, split, threads } = tuning;
  const halves = inHalves(gpu, format);
  /** Numbers of x in 16 bytes, and how many such go with a word. */
  const chunk = halves ? 8 : 4;
  const chunks = format.values / chunk;
  const subgroups = threads / lanes;
  const outputs = gated ? rows / 2 : rows;
  const ofBlock = outputsOfBlock(gpu, options);
  const rowWords = wordsOfRow(format, k);
  /** Words that the subgroups of a row take at a time, and how often all the row needs. */
  const stride = lanes * split;
  const steps = Math.ceil(rowWords / stride);
  const joinBytes = parts === undefined ? 0 : 4 * parts.splits * (k / parts.headDim);
  const room = Math.floor(
    (gpu.device.limits.maxComputeWorkgroupStorageSize - RESERVED - joinBytes) / (16 * stride * chunks),
  );
  /** Steps of which x is there at a time: of all, where there is room, and then for all rows. */
  const tile = Math.max(1, Math.min(steps, room));
  const waits = tile === steps;
  const rowOf = (r: number, block: string) => {
    const row = `min((${block} * ${subgroups / split}u + place) * ${outputs}u + ${r % outputs}u, p.n - 1u)`;
    return r >= outputs ? `${row} + p.n` : row;
  };
  const load = (step: string) => `{
    let word = min((${step}) * ${stride}u + part * ${lanes}u + lane, ${rowWords - 1}u);
${unrolled(
  rows,
  (r) => `    next${r} = wordAt(row${r} * ${wordsToNextRow(format, k)}u, ${rowWords}u, word);
    ${format.scales === undefined ? "" : `nextScale${r} = scaleAt(${scaleIndex(format, `row${r}`, k)});`}
    ${format.zeros ? `nextZero${r} = zeroAt(${scaleIndex(format, `row${r}`, k)});` : ""}`,
)}
  }`;
  const product = halves ? productInHalves : productInFull;
  const numbers = rowsType(quads);
  const join = parts && joinedSplits(parts, k, threads);
  /** From one four of a pair to the other: pairs of 16 numbers are 8 apart, those of 8 numbers 4. */
  const apart = halves && pairCount(format) === 8 ? 8 : 4;
  /** Fours of x that a thread puts into workgroup memory, by 16 bytes there, and then by fours of those. */
  const fours = Array.from({ length: Math.ceil((tile * stride * chunks) / threads) }, (_, i) =>
    Array.from({ length: chunk / 4 }, (_, q) => ({ name: `x${i}_${q}`, at: `k${i} + ${apart * q}u` })),
  );
  const read = (tileStep: string) =>
    fours
      .map((own, i) =>
        [
          `let i${i} = local + ${i * threads}u;`,
          `let k${i} = ${tileStep} * ${stride * format.values}u + ${apart === 8 ? `(i${i} / 2u) * 16u + (i${i} % 2u) * 4u` : `i${i} * ${chunk}u`};`,
          ...own.flatMap((four) => [
            join === undefined
              ? `let ${four.name} = xAt(xRow, ${four.at});`
              : join.read(four.name, "xRow", four.at),
            ...(norm ? [`let ${four.name}Weight = normWeightAt(0u, ${four.at}) + p.normOffset;`] : []),
            ...(norm?.bias ? [`let ${four.name}Bias = normBiasAt(0u, ${four.at});`] : []),
          ]),
        ].join("\n"),
      )
      .join("\n");
  const numbersOf = ({ name, at }: Four) => {
    if (join !== undefined) return join.sum(name, at);
    return norm === undefined
      ? name
      : `(${name} - middle) * inverse * ${name}Weight${norm.bias ? ` + ${name}Bias` : ""}`;
  };
  const stage = fours
    .map(
      (own, i) => `if (i${i} < ${tile * stride * chunks}u) {
${own.map((four, q) => `  let x${q} = ${clamped(numbersOf(four), halves)};`).join("\n")}
  let word = i${i} / ${chunks}u;
  xs[(word / ${lanes}u) * ${lanes * chunks}u + (i${i} % ${chunks}u) * ${lanes}u + word % ${lanes}u] = ${halves ? packed(pairCount(format)) : "x0"};
}`,
    )
    .join("\n");
  return shader({
    gpu,
    params: matvecParams,
    constants,
    reads: {
      ...linearReads(gpu, options),
      x: numbers,
      ...(norm ? { normWeight: numbers } : {}),
      ...(norm?.bias ? { normBias: numbers } : {}),
    },
    writes: { out: "array<f32>" },
    threads,
    declarations: `
${halves ? pairFunctions(gpu, format, true) : weightFunctions(gpu, format)}
${mapFunction(activation)}
var<workgroup> xs: array<${halves ? "vec4<u32>" : "vec4<f32>"}, ${tile * stride * chunks}>;
${split > 1 ? `var<workgroup> partial: array<f32, ${subgroups * rows}>;` : ""}
${join?.declarations ?? fourNumbers("xAt", "x", k, quads)}
${norm ? rowSums(gpu, k, threads) + fourNumbers("normWeightAt", "normWeight", k, quads) : ""}
${norm?.bias ? fourNumbers("normBiasAt", "normBias", k, quads) : ""}`,
    main: `
${weightSetup(format, halves ? "f16" : "f32")}
let subgroup = local / ${lanes}u;
let place = subgroup / ${split}u;
let part = subgroup % ${split}u;
let blocks = (p.n + ${ofBlock - 1}u) / ${ofBlock}u;
let xRow = ${join === undefined ? "p.xOffset + group.y * p.xStride" : "group.y"};
${unrolled(
  rows,
  (r) => `var row${r} = ${rowOf(r, "group.x")};
var next${r}: Word;
var nextScale${r} = 1.0;
var nextZero${r} = ${middleOf(format)};`,
)}
${load("0u")}
${waits ? read("0u") : ""}
${join === undefined ? "" : `${join.setup("group.y", "groups.y")}\nworkgroupBarrier();`}
${norm ? normStatistics(norm.kind, waits ? fours.flat() : undefined, threads, k) : ""}
${waits ? `${stage}\nworkgroupBarrier();` : ""}
for (var block = group.x; block < blocks; block += groups.x) {
${unrolled(rows, (r) => `  var sum${r} = 0.0;`)}
  for (var tile = 0u; tile < ${steps}u; tile += ${tile}u) {
${waits ? "" : `workgroupBarrier();\n${read("tile")}\n${stage}\nworkgroupBarrier();`}
    for (var s = tile; s < min(tile + ${tile}u, ${steps}u); s++) {
${unrolled(rows, (r) => `      let word${r} = next${r}; let scale${r} = nextScale${r}; let zero${r} = nextZero${r};`)}
      let turns = s == ${steps - 1}u && block + groups.x < blocks;
      if (turns) {
${unrolled(rows, (r) => `        row${r} = ${rowOf(r, "(block + groups.x)")};`)}
      }
      ${load("select(s + 1u, 0u, turns)")}
      let at = ((s - tile) * ${split}u + part) * ${lanes * chunks}u + lane;
${unrolled(chunks, (q) => `      let x${q} = xs[at + ${q * lanes}u];`)}
${unrolled(rows, (r) => `      {\n${product(r, format)}\n      }`)}
    }
  }
${unrolled(rows, (r) => `  sum${r} = subgroupAdd(sum${r});`)}
${split > 1 ? sumOfParts(rows, split) : ""}
  let first = (block * ${subgroups / split}u + place) * ${outputs}u;
${unrolled(
  outputs,
  (r) => `  if (part == 0u && lane == ${r % lanes}u && first + ${r}u < p.n) {
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
)}
}`,
  });
}

/** Four numbers of x as they were read, and where in it they are. */
interface Four {
  readonly name: string;
  readonly at: string;
}

/** WGSL: four numbers; those too large for F16 become its largest. */
function clamped(four: string, halves: boolean): string {
  return halves ? `clamp(${four}, vec4<f32>(-65504.0), vec4<f32>(65504.0))` : four;
}

/** WGSL: eight numbers in F16, paired as `pairs` pairs those of 32 bits of a weight; of more than eight such, x has four and their fellows. */
function packed(all: number): string {
  const pairs = Math.min(4, all);
  const number = (i: number) => `f16(x${i >> 2}[${i & 3}])`;
  const words = Array.from({ length: 4 }, (_, i) => {
    const first = Math.floor(i / pairs) * 2 * pairs + (i % pairs);
    return `bitcast<u32>(vec2<f16>(${number(first)}, ${number(first + pairs)}))`;
  });
  return `vec4<u32>(${words.join(", ")})`;
}

/** Pairs whose products are summed up in F16 before they go on in F32. */
const PAIRS_OF_SUM = 16;

function productInHalves(r: number, format: WeightFormat): string {
  const pairs = pairCount(format);
  const ends = [0, 1, 2].filter((bits) => ((bits + 1) * pairs) % PAIRS_OF_SUM === 0);
  return `      var sum = vec2<f16>();
${unrolled(4, (bits) => {
  const products = unrolled(pairs, (j) => {
    const i = bits * pairs + j;
    return `      sum = fma(w${bits}[${j}], bitcast<vec2<f16>>(x${i >> 2}[${i & 3}]), sum);`;
  });
  return `      let w${bits} = ${pairsOf(format, `word${r}`, bits, `f16(zero${r})`)};
${products}${ends.includes(bits) ? `\n      let part${bits} = f32(sum.x) + f32(sum.y);\n      sum = vec2<f16>();` : ""}`;
})}
      sum${r} += scale${r} * (${ends.map((bits) => `part${bits} + `).join("")}f32(sum.x) + f32(sum.y));`;
}

function productInFull(r: number, { values }: WeightFormat): string {
  const dots = Array.from({ length: values / 4 }, (_, q) => `dot(w[${q}], x${q})`);
  return `      let w = unpack(word${r}, zero${r});
      sum${r} += scale${r} * (${dots.join(" + ")});`;
}

/**
 * Declares `middle`, x's mean or 0, and `inverse`, 1 / √(mean((x − middle)²) + eps). They are known before x becomes F16, since what models
 * carry from layer to layer may be too large for that, and normed never is.
 * @param fours all of x, where threads have it
 */
function normStatistics(
  kind: NormKind,
  fours: readonly Four[] | undefined,
  threads: number,
  k: number,
): string {
  const sum = (name: string, term: (four: string, at: string) => string) =>
    fours === undefined
      ? `
var ${name} = 0.0;
for (var k = 4u * local; k < ${k}u; k += ${4 * threads}u) {
  let raw = xAt(xRow, k);
  ${name} += ${term("raw", "k")};
}`
      : `let ${name} = ${fours.map(({ name, at }) => term(name, at)).join(" + ")};`;
  const isLayer = kind === "layer";
  const mean = isLayer
    ? `${sum("all", (four) => `dot(${four}, vec4<f32>(1.0))`)}
let middle = total(all, local, lane) / ${k}.0;
workgroupBarrier();`
    : "let middle = 0.0;";
  const centred = (four: string, at: string) => (isLayer ? `kept(${four} - middle, ${at})` : four);
  return `${mean}
${sum("squares", (four, at) => `dot(${centred(four, at)}, ${centred(four, at)})`)}
let inverse = inverseSqrt(total(squares, local, lane) / ${k}.0 + p.eps);`;
}

function sumOfParts(rows: number, split: number): string {
  return `
workgroupBarrier();
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
