import type { GpuContext } from "../webgpu-device.ts";
import { mapFunction } from "./activation.ts";
import { HALVED, halvesStride } from "./halves.ts";
import { finishProduct, type LinearOptions, linearParams, linearReads } from "./linear.ts";
import { type Shader, shader, unrolled } from "./shader.ts";
import { UNITS } from "./tuning.ts";
import {
  inHalves,
  middleOf,
  pairCount,
  pairFunctions,
  pairsOf,
  scaleIndex,
  type WeightFormat,
  weightFunctions,
  weightSetup,
  wordsOfRow,
  wordsToNextRow,
} from "./weight-format.ts";

const SUBGROUPS = 4;

/** Matrices of 16 × 16 that a subgroup has below and beside each other; the subgroups of a workgroup lie side by side. */
export interface MatricesTile {
  readonly down: number;
  readonly across: number;
  /** How much of the inner axis a workgroup takes at a time: 32, or 64 where rows of halves are multiples of it. */
  readonly depth: number;
}

export interface MatricesOptions extends LinearOptions {
  /** Rows n and n + outputs of W give act(first) · second. */
  readonly gated: boolean;
  readonly tile: MatricesTile;
  /**
   * How results leave: as they are in matrices, where the room for them ends with whole tiles; or one by one, to F32 or to rows of
   * halves.
   */
  readonly store: "matrices" | "numbers" | "halves";
}

export const tokensOfTile = ({ down }: MatricesTile) => 16 * down;
export const outputsOfTile = ({ across }: MatricesTile, gated: boolean) =>
  (16 * across * SUBGROUPS) / (gated ? 2 : 1);

/**
 * The tile that is done first, by what was measured on an H100: a tile's time goes with its products, what it loads for them and what each
 * step costs anyway; two workgroups share a unit, and one alone there is not twice as fast.
 * @param k numbers of a row of W
 * @param values numbers of a word of it
 */
export function chooseTile(
  tokens: number,
  outputs: number,
  k: number,
  gated: boolean,
  values = 1,
): MatricesTile {
  // Both factors of an output are a subgroup's own.
  const tiles = (gated ? [2] : [1, 2]).flatMap((across) =>
    [1, 2, 3, 4, 5, 6, 7, 8].map((down) => {
      const tile = { down, across, depth: 32 };
      const groups = Math.ceil(tokens / tokensOfTile(tile)) * Math.ceil(outputs / outputsOfTile(tile, gated));
      // Rows of halves end at multiples of 32. Fewer, longer steps pay where nothing else runs meanwhile, and where there is much to do.
      const isLong =
        values > 32 || (halvesStride(k) % 64 === 0 && (gated || groups <= UNITS || groups > 4 * UNITS));
      const time = turns(groups) * (down * across + down + across + 6) * (isLong ? 0.9 : 1);
      return { tile: { ...tile, depth: isLong ? 64 : 32 }, time };
    }),
  );
  return tiles.reduce((best, each) => (each.time < best.time ? each : best)).tile;
}

/** How often a unit's time for a workgroup passes until so many are done. */
function turns(groups: number): number {
  if (groups > 4 * UNITS) return groups / UNITS;
  const left = groups % (2 * UNITS);
  return 2 * Math.floor(groups / (2 * UNITS)) + (left === 0 ? 0 : left <= UNITS ? 1.5 : 2);
}

/**
 * x·Wᵀ for many tokens on the card's units for products of 16 × 16 matrices: x, rows of halves, and W in F16, sums in F32. Dispatched as
 * [tokens / tokensOfTile, outputs / outputsOfTile].
 */
export function matmulMatrices(gpu: GpuContext, options: MatricesOptions): Shader {
  const { format, k, gated, activation, residual, tile, store } = options;
  const { down, across, depth } = tile;
  /** Numbers of a row of x or W in workgroup memory: so many more that rows begin at different banks. */
  const pitch = depth + 8;
  const threads = gpu.lanes * SUBGROUPS;
  const [tokens, rows] = [tokensOfTile(tile), outputsOfTile(tile, false)];
  const outputs = outputsOfTile(tile, gated);
  const rowWords = wordsOfRow(format, k);
  const words = depth / format.values;
  const xLoads = Math.ceil((tokens * (depth / 8)) / threads);
  const wordLoads = Math.ceil((rows * words) / threads);
  /** Numbers in an element of `ws`: those of a word, eight at most. */
  const chunk = Math.min(8, format.values);
  /** Rows of W end with whole tiles, so that no word behind them is asked for. */
  const exact = rowWords % words === 0;
  const rowOf = (i: string) =>
    gated
      ? `min(firstN + (${i} / ${words}u) % ${outputs}u, p.n - 1u) + select(0u, p.n, ${i} >= ${outputs * words}u)`
      : `min(firstN + ${i} / ${words}u, p.n - 1u)`;
  /** What does not change from tile to tile of the inner axis is computed before. */
  const places = `${unrolled(
    xLoads,
    (j) => `let i${j} = local + ${j * threads}u;
let xFrom${j} = (p.xOffset + min(firstM + i${j} / ${depth / 8}u, p.m - 1u) * p.xStride) / 8u + i${j} % ${depth / 8}u;
let xTo${j} = (i${j} / ${depth / 8}u) * ${pitch / 8}u + i${j} % ${depth / 8}u;`,
  )}
${unrolled(
  wordLoads,
  (j) => `let w${j} = local + ${j * threads}u;
let row${j} = ${rowOf(`w${j}`)};
let wTo${j} = (w${j} / ${words}u) * ${pitch / chunk}u + (w${j} % ${words}u) * ${format.values / chunk}u;`,
)}`;
  const load = (
    step: string,
  ) => `${unrolled(xLoads, (j) => `  x${j} = x[xFrom${j} + ${step} * ${depth / 8}u];`)}
${unrolled(
  wordLoads,
  (j) => `  {
    let word = ${exact ? `${step} * ${words}u + w${j} % ${words}u` : `min(${step} * ${words}u + w${j} % ${words}u, ${rowWords - 1}u)`};
    word${j} = wordAt(row${j} * ${wordsToNextRow(format, k)}u, ${rowWords}u, word);
    ${format.scales === undefined ? "" : `scale${j} = scaleAt(${scaleIndex(format, `row${j}`, k)});`}
    ${format.zeros ? `zero${j} = zeroAt(${scaleIndex(format, `row${j}`, k)});` : ""}
  }`,
)}`;
  return shader({
    gpu,
    params: linearParams,
    reads: { ...linearReads(gpu, options), x: "array<vec4<u32>>" },
    writes: { out: store === "halves" ? "array<u32>" : "array<f32>" },
    threads,
    declarations: `
${inHalves(gpu, format) ? pairFunctions(gpu, format, false) : weightFunctions(gpu, format)}
${mapFunction(activation)}
${store === "halves" ? HALVED : ""}
var<workgroup> xs: array<vec4<u32>, ${(tokens * pitch) / 8}>;
var<workgroup> ws: array<vec${chunk / 2}<u32>, ${(rows * pitch) / chunk}>;
${store === "matrices" ? "" : `var<workgroup> results: array<f32, ${SUBGROUPS * resultsOf(gated)}>;`}`,
    main: `
${weightSetup(format, inHalves(gpu, format) ? "f16" : "f32")}
let firstM = group.x * ${tokens}u;
let firstN = group.y * ${outputs}u;
let subgroup = local / ${gpu.lanes}u;
let mine = subgroup * ${gated ? 16 : 16 * across}u;
${unrolled(down * across, (t) =>
  store === "matrices" && residual
    ? `var sum${t} = subgroupMatrixLoad<subgroup_matrix_result<f32, 16, 16>, row_major>(&residual,
  p.residualOffset + (firstM + ${16 * Math.floor(t / across)}u) * p.residualStride + firstN + mine + ${16 * (t % across)}u, p.residualStride);`
    : `var sum${t}: subgroup_matrix_result<f32, 16, 16>;`,
)}
${unrolled(xLoads, (j) => `var x${j}: vec4<u32>;`)}
${unrolled(wordLoads, (j) => `var word${j}: Word; var scale${j} = 1.0; var zero${j} = ${middleOf(format)};`)}
${places}
${load("0u")}
for (var step = 0u; step < ${Math.ceil(k / depth)}u; step++) {
  workgroupBarrier();
${unrolled(xLoads, (j) => `  ${(j + 1) * threads > tokens * (depth / 8) ? `if (i${j} < ${tokens * (depth / 8)}u) ` : ""}{ xs[xTo${j}] = x${j}; }`)}
${unrolled(
  wordLoads,
  (j) => `  ${(j + 1) * threads > rows * words ? `if (w${j} < ${rows * words}u) ` : ""}{
${storeWord(gpu, format, chunk, j)}
  }`,
)}
  workgroupBarrier();
  // What comes next is on its way while this is multiplied.
  if (step < ${Math.ceil(k / depth) - 1}u) {
${load("(step + 1u)")}
  }
${unrolled(
  depth / 16,
  (part) => `  {
${unrolled(across, (j) => `    let right${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>, col_major>(&ws, (mine + ${j * (gated ? outputs : 16)}u) * ${pitch / chunk}u + ${(16 / chunk) * part}u, ${pitch / chunk}u);`)}
${unrolled(
  down,
  (i) => `    {
      let left = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, row_major>(&xs, ${(16 * i * pitch) / 8 + 2 * part}u, ${pitch / 8}u);
${unrolled(across, (j) => `      sum${i * across + j} = subgroupMatrixMultiplyAccumulate(left, right${j}, sum${i * across + j});`)}
    }`,
)}
  }`,
)}
}
${unrolled(gated ? down : down * across, (t) => storeMatrix(gpu, options, t))}`,
  });
}

/** WGSL: puts the numbers of `word` j, scaled, at `ws[wTo…]` and behind. */
function storeWord(gpu: GpuContext, format: WeightFormat, chunk: number, j: number): string {
  const { kind, values } = format;
  if (kind === "f16") return `    ws[wTo${j}] = word${j};`;
  const halves = inHalves(gpu, format);
  const count = pairCount(format);
  const number = (i: number) => {
    if (!halves) return `f16(values[${i >> 2}][${i & 3}])`;
    const place = i % (2 * count);
    return `pairs${Math.floor(i / (2 * count))}_${place % count}.${place < count ? "x" : "y"}`;
  };
  const unpacked = halves
    ? unrolled(
        4,
        (bits) => `    let all${bits} = ${pairsOf(format, `word${j}`, bits, `f16(zero${j})`)};
${unrolled(count, (pair) => `    let pairs${bits}_${pair} = all${bits}[${pair}] * f16(scale${j});`)}`,
      )
    : `    let values = unpack(word${j}, zero${j});`;
  return `${unpacked}
${unrolled(values / chunk, (c) => {
  const pairs = Array.from({ length: chunk / 2 }, (_, i) => {
    const first = c * chunk + 2 * i;
    return `bitcast<u32>(vec2<f16>(${number(first)}, ${number(first + 1)}))`;
  });
  return `    ws[wTo${j} + ${c}u] = vec${chunk / 2}<u32>(${pairs.join(", ")});`;
})}`;
}

/** Numbers of a subgroup's results that wait in workgroup memory. */
const resultsOf = (gated: boolean) => (gated ? 512 : 256);

/** WGSL: the t-th matrix of a subgroup's outputs goes out. */
function storeMatrix(gpu: GpuContext, options: MatricesOptions, t: number): string {
  const { gated, bias, store, tile } = options;
  const across = gated ? 1 : tile.across;
  const [m0, n0] = [`firstM + ${16 * Math.floor(t / across)}u`, `firstN + mine + ${16 * (t % across)}u`];
  if (store === "matrices") {
    return `subgroupMatrixStore<row_major>(&out, p.outOffset + (${m0}) * p.outStride + ${n0}, sum${t}, p.outStride);`;
  }
  const first = gated ? 2 * t : t;
  const results = `subgroup * ${resultsOf(gated)}u`;
  const staged = `workgroupBarrier();
subgroupMatrixStore<row_major>(&results, ${results}, sum${first}, 16u);
${gated ? `subgroupMatrixStore<row_major>(&results, ${results} + 256u, sum${first + 1}, 16u);` : ""}
workgroupBarrier();`;
  const finished = (at: string) => `var value = results[${results} + ${at}];
    ${finishProduct(options)}
    ${gated ? `value *= (results[${results} + 256u + ${at}]${bias ? " + bias[n + p.n]" : ""});` : ""}`;
  if (store === "numbers") {
    return `${staged}
for (var i = lane; i < 256u; i += ${gpu.lanes}u) {
  let m = ${m0} + i / 16u;
  let n = ${n0} + i % 16u;
  if (m < p.m && n < p.n) {
    ${finished("i")}
    out[p.outOffset + m * p.outStride + n] = value;
  }
}`;
  }
  return `${staged}
for (var i = lane; i < 128u; i += ${gpu.lanes}u) {
  let m = ${m0} + i / 8u;
  let first = ${n0} + 2u * (i % 8u);
  if (m < p.m && first < p.outStride) {
    var both = vec2<f32>();
    for (var each = 0u; each < 2u; each++) {
      let n = first + each;
      if (n < p.n) {
        ${finished("2u * i + each")}
        both[each] = value;
      }
    }
    out[(p.outOffset + m * p.outStride + first) / 2u] = halved(both.x, both.y);
  }
}`;
}
