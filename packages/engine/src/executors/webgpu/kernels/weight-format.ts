import type { GpuContext } from "../webgpu-device.ts";
import { unrolled } from "./shader.ts";
import { highBit, raisedHigh } from "./three-bits.ts";

/**
 * How the numbers of a weight lie in its buffer: rows of 16-byte words, each of which holds `values` numbers next to each other. A
 * number is (what the word says − zero) × scale, one scale for each `groupSize` numbers of a row.
 */
export interface WeightFormat {
  readonly kind: "f32" | "f16" | "bf16" | "int8" | "int4" | "int3" | "int2" | "codebook";
  /** Numbers in a word. */
  readonly values: number;
  /** Numbers under one scale; undefined where there are none. */
  readonly groupSize: number | undefined;
  readonly scales: "f32" | "f16" | "bf16" | undefined;
  /** Of integers of 2 to 4 bits: whether each group has a zero of its own; it is in the middle otherwise. */
  readonly zeros: boolean;
  /** Of codebooks: what the 16 codes mean. */
  readonly codebook: readonly number[] | undefined;
}

const dense = { groupSize: undefined, scales: undefined, zeros: false, codebook: undefined } as const;

export const denseFormats: Readonly<Record<"F32" | "F16" | "BF16", WeightFormat>> = {
  F32: { ...dense, kind: "f32", values: 4 },
  F16: { ...dense, kind: "f16", values: 8 },
  BF16: { ...dense, kind: "bf16", values: 8 },
};

/** The buffers of a weight, as a shader declares them. */
export function weightBuffers(
  { hasF16 }: GpuContext,
  { scales, zeros }: WeightFormat,
): Record<string, string> {
  const types = { f32: "array<f32>", f16: hasF16 ? "array<f16>" : "array<u32>", bf16: "array<u32>" };
  return {
    words: "array<vec4<u32>>",
    ...(scales === undefined ? {} : { scales: types[scales] }),
    ...(zeros ? { zeros: "array<f32>" } : {}),
  };
}

/** Whether kernels of a card multiply these in F16: two numbers at a time, their sums going on in F32. */
export function inHalves({ hasF16 }: GpuContext, { kind }: WeightFormat): boolean {
  return hasF16 && kind !== "f32" && kind !== "bf16";
}

/** Words that a row of k numbers takes, those apart that hold the highest bits of numbers of 3 bits. */
export function wordsOfRow({ values }: WeightFormat, k: number): number {
  return Math.ceil(k / values);
}

/**
 * 16-byte words from a row's beginning to the next one's. Of numbers of 3 bits a row has their two low bits first, 64 to a word, and then the high
 * ones, 128 to a word.
 */
export function wordsToNextRow(format: WeightFormat, k: number): number {
  const words = wordsOfRow(format, k);
  return format.kind === "int3" ? words + Math.ceil(words / 2) : words;
}

/** The same in WGSL, from the words of a row. */
export function nextRow({ kind }: WeightFormat, words: string): string {
  return kind === "int3" ? `(${words} + (${words} + 1u) / 2u)` : words;
}

/**
 * WGSL: `Word`, what a thread takes of a row at a time, and `wordAt(start, count, word)`, which reads one of the row's `count` words that begin
 * at `start`.
 */
function wordFunctions({ kind }: WeightFormat): string {
  return kind === "int3"
    ? `struct Word { low: vec4<u32>, high: vec2<u32> }
fn wordAt(start: u32, count: u32, word: u32) -> Word {
  let two = words[start + count + word / 2u];
  return Word(words[start + word], select(two.xy, two.zw, word % 2u == 1u));
}`
    : `alias Word = vec4<u32>;
fn wordAt(start: u32, count: u32, word: u32) -> Word { return words[start + word]; }`;
}

/** WGSL: the zero of groups that have none of their own. */
export function middleOf({ kind }: WeightFormat): string {
  return kind === "int2" ? "2.0" : kind === "int3" ? "4.0" : "8.0";
}

/** WGSL: the index of the scale of the numbers of `word`, counted within a row. */
export function groupOfWord({ groupSize, values }: WeightFormat): string {
  return groupSize === undefined
    ? "0u"
    : `(${groupSize === values ? "word" : `word * ${values}u / ${groupSize}u`})`;
}

/** WGSL: the index of the scale of the numbers of `word` in a row of k, all rows counted through. */
export function scaleIndex(format: WeightFormat, row: string, k: number): string {
  const { groupSize } = format;
  return groupSize === undefined ? "0u" : `${row} * ${k / groupSize}u + ${groupOfWord(format)}`;
}

/**
 * WGSL functions: `unpack(word, zero)` gives a word's numbers unscaled, as `array<vec4<f32>, values / 4>`; `scaleAt(group)` and
 * `zeroAt(group)` those of a group, groups being counted through all rows.
 * @param space where the codebook is: once for a workgroup, or for each thread
 */
export function weightFunctions(
  gpu: GpuContext,
  format: WeightFormat,
  space: "workgroup" | "private" = "workgroup",
): string {
  const { kind, values, codebook } = format;
  const lookup = codebook === undefined ? "" : `var<${space}> codebook: array<f32, 16>;`;
  return `
alias Unpacked = array<vec4<f32>, ${values / 4}>;
${lookup}
${wordFunctions(format)}
fn unpack(word: Word, zero: f32) -> Unpacked {
  var result: Unpacked;
${unpacking[kind]}
  return result;
}
${scaleFunctions(gpu, format)}`;
}

/** WGSL statements that a shader begins with, before a barrier; the codebook is of the type, and where, its functions declare it. */
export function weightSetup(
  { codebook }: WeightFormat,
  type: "f32" | "f16" = "f32",
  space: "workgroup" | "private" = "workgroup",
): string {
  if (codebook === undefined) return "";
  const values = codebook.map((value) => `${type}(${value})`).join(", ");
  if (space === "private") return `codebook = array<${type}, 16>(${values});`;
  return `if (local < 16u) { const values = array<${type}, 16>(${values}); codebook[local] = values[local]; }`;
}

/** Powers of two that keep sums of products with integers within F16. */
const shrinking: Readonly<Record<WeightFormat["kind"], number>> = {
  f32: 1,
  f16: 1,
  bf16: 1,
  int8: 2 ** -7,
  int4: 2 ** -4,
  int3: 2 ** -4,
  int2: 2 ** -3,
  codebook: 1,
};

/** What sums of `pairs` that were shrunk are to be multiplied with. */
export function shrunkBy({ kind }: WeightFormat): number {
  return 1 / shrinking[kind];
}

/** Pairs of numbers in 32 bits of a weight. */
export function pairCount({ values }: WeightFormat): number {
  return values / 8;
}

/** WGSL: the pairs of a word's `bits`-th 32 bits, by the functions below. */
export function pairsOf({ kind }: WeightFormat, word: string, bits: number, zero: string): string {
  return kind === "int3"
    ? `pairs${bits % 2}(${word}.low[${bits}], ${word}.high[${bits >> 1}], ${zero})`
    : `pairs(${word}[${bits}], ${zero})`;
}

/**
 * WGSL functions: `pairs(bits, zero)` gives the numbers of 32 bits in F16, unscaled: pair j holds numbers j and j + pairs. Integers become
 * mantissas of 2¹⁰, from which one exact fma takes what is too much. Of 3 bits there are two functions, which take the high bits, too. `scaleAt` and `zeroAt` are those of `weightFunctions`.
 * @param shrunk multiplies integers with the power of two that `shrunkBy` makes good
 */
export function pairFunctions(gpu: GpuContext, format: WeightFormat, shrunk: boolean): string {
  const { kind, codebook } = format;
  const factor = shrunk ? shrinking[kind] : 1;
  const lookup = codebook === undefined ? "" : `var<workgroup> codebook: array<f16, 16>;`;
  const exact = (bits: string, mask: string, place: number, zero: string, more = "") =>
    `fma(bitcast<vec2<f16>>((${bits} & ${mask})${more} | 0x64006400u), vec2<f16>(${factor / place}), vec2<f16>(-(${1024 / place}h + ${zero}) * ${factor}h))`;
  // Of 16 numbers of two bits, pair 4i + j in the i-th byte of either half.
  const two = (more: (pair: number) => string) =>
    Array.from({ length: 8 }, (_, pair) => {
      const place = 4 ** (pair % 4);
      return exact(pair < 4 ? "bits" : "(bits >> 8u)", hex(0x30003 * place), place, "zero", more(pair));
    });
  const code = (number: number) =>
    `codebook[(bits >> ${8 * (number >> 1) + (number % 2 === 0 ? 4 : 0)}u) & 15u]`;
  const all: Readonly<Partial<Record<WeightFormat["kind"], readonly string[]>>> = {
    f16: ["bitcast<vec2<f16>>(bits)"],
    int8: ["", " >> 8u"].map((shift) => exact(`((bits ^ 0x80808080u)${shift})`, "0x00ff00ffu", 1, "128.0h")),
    int4: ["bits", "(bits >> 8u)"].flatMap((bits) => [
      exact(bits, "0x000f000fu", 1, "zero"),
      exact(bits, "0x00f000f0u", 16, "zero"),
    ]),
    codebook: [0, 1, 2, 3].map((j) => `vec2<f16>(${code(j)}, ${code(j + 4)})`),
    int2: two(() => ""),
  };
  const count = pairCount(format);
  const functions =
    kind === "int3"
      ? [0, 1].map(
          (odd) => `fn pairs${odd}(bits: u32, high: u32, zero: f16) -> Pairs {
  return Pairs(${two((pair) => ` | (${raisedHigh(odd, pair)} & ${hex(0x40004 * 4 ** (pair % 4))})`).join(",\n    ")});
}`,
        )
      : [
          `fn pairs(bits: u32, zero: f16) -> Pairs {
  return Pairs(${(all[kind] ?? []).join(",\n    ")});
}`,
        ];
  return `
alias Pairs = array<vec2<f16>, ${count}>;
${lookup}
${wordFunctions(format)}
${functions.join("\n")}
${scaleFunctions(gpu, format)}`;
}

function hex(bits: number): string {
  return `0x${bits.toString(16).padStart(8, "0")}u`;
}

/**
 * A nibble as a number, its zero taken off: put into the mantissa of 2²³ as it stands, it counts 16 to the power of its place, and one exact
 * multiplication and addition makes it right. Conversions of integers run at a fraction of the speed of additions.
 */
function int4Number(word: string, nibble: number): string {
  // The mantissa has room for five of them.
  const place = nibble < 5 ? nibble : nibble - 3;
  const bits = `${nibble < 5 ? word : `(${word} >> 12u)`} & ${0xf * 16 ** place}u`;
  const shift = (2 ** 23 / 16 ** place).toFixed(1);
  return `fma(bitcast<f32>((${bits}) | 0x4b000000u), ${16 ** -place}, -(${shift} + zero))`;
}

/** WGSL: sixteen numbers of the i-th 32 bits, their zero taken off. */
function quadsOf(i: number, code: (n: number) => string): string {
  return unrolled(4, (quad) => {
    const codes = [0, 1, 2, 3].map((n) => code(4 * quad + n)).join(", ");
    return `  result[${4 * i + quad}] = vec4<f32>(vec4<u32>(${codes})) - zero;`;
  });
}

const unpacking: Readonly<Record<WeightFormat["kind"], string>> = {
  f32: "  result[0] = bitcast<vec4<f32>>(word);",
  f16: unrolled(
    2,
    (i) =>
      `  result[${i}] = vec4<f32>(unpack2x16float(word[${2 * i}]), unpack2x16float(word[${2 * i + 1}]));`,
  ),
  bf16: unrolled(2, (i) => {
    const [a, b] = [`word[${2 * i}]`, `word[${2 * i + 1}]`];
    return `  result[${i}] = bitcast<vec4<f32>>(vec4<u32>(${a} << 16u, ${a} & 0xffff0000u, ${b} << 16u, ${b} & 0xffff0000u));`;
  }),
  int8: unrolled(4, (i) => `  result[${i}] = vec4<f32>(unpack4xI8(word[${i}]));`),
  // Eight numbers to 32 bits, the first one lowest.
  int4: unrolled(4, (i) => {
    const quad = (nibbles: readonly number[]) =>
      nibbles.map((nibble) => int4Number(`word[${i}]`, nibble)).join(", ");
    return `  result[${2 * i}] = vec4<f32>(${quad([0, 1, 2, 3])});
  result[${2 * i + 1}] = vec4<f32>(${quad([4, 5, 6, 7])});`;
  }),
  int3: unrolled(4, (i) =>
    quadsOf(
      i,
      (n) =>
        `((word.low[${i}] >> ${2 * n}u) & 3u) | (((word.high[${i >> 1}] >> ${highBit(i % 2, n)}u) & 1u) << 2u)`,
    ),
  ),
  int2: unrolled(4, (i) => quadsOf(i, (n) => `(word[${i}] >> ${2 * n}u) & 3u`)),
  // Two numbers to a byte, the first one highest.
  codebook: unrolled(
    4,
    (i) => `  let first${i} = unpack4xU8((word[${i}] >> 4u) & 0x0f0f0f0fu);
  let second${i} = unpack4xU8(word[${i}] & 0x0f0f0f0fu);
  result[${2 * i}] = vec4<f32>(codebook[first${i}.x], codebook[second${i}.x], codebook[first${i}.y], codebook[second${i}.y]);
  result[${2 * i + 1}] = vec4<f32>(codebook[first${i}.z], codebook[second${i}.z], codebook[first${i}.w], codebook[second${i}.w]);`,
  ),
};

function scaleFunctions({ hasF16 }: GpuContext, format: WeightFormat): string {
  const { scales, zeros } = format;
  const value = {
    none: "1.0",
    f32: "scales[group]",
    f16: hasF16 ? "f32(scales[group])" : "unpack2x16float(scales[group / 2u])[group % 2u]",
    bf16: "bitcast<f32>((scales[group / 2u] >> (16u * (group % 2u))) << 16u)",
  }[scales ?? "none"];
  return `fn scaleAt(group: u32) -> f32 { return ${value}; }
fn zeroAt(group: u32) -> f32 { return ${zeros ? "zeros[group]" : middleOf(format)}; }`;
}
