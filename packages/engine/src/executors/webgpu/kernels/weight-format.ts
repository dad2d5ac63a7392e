import { unrolled } from "./shader.ts";

/**
 * How the numbers of a weight lie in its buffer: rows of 16-byte words, each of which holds `values` numbers next to each other. A
 * number is (what the word says − zero) × scale, one scale for each `groupSize` numbers of a row.
 */
export interface WeightFormat {
  readonly kind: "f32" | "f16" | "bf16" | "int8" | "int4" | "codebook";
  /** Numbers in a word. */
  readonly values: number;
  /** Numbers under one scale; undefined where there are none. */
  readonly groupSize: number | undefined;
  readonly scales: "f32" | "f16" | "bf16" | undefined;
  /** Of int4: whether each group has a zero of its own; it is 8 otherwise. */
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
export function weightBuffers({ scales, zeros }: WeightFormat): Record<string, string> {
  return {
    words: "array<vec4<u32>>",
    ...(scales === undefined ? {} : { scales: scales === "f32" ? "array<f32>" : "array<u32>" }),
    ...(zeros ? { zeros: "array<f32>" } : {}),
  };
}

/**
 * WGSL functions: `unpack(word, zero)` gives a word's numbers unscaled, as `array<vec4<f32>, values / 4>`; `scaleAt(group)` and
 * `zeroAt(group)` those of a group, groups being counted through all rows.
 */
export function weightFunctions(format: WeightFormat): string {
  const { kind, values, codebook } = format;
  const lookup = codebook === undefined ? "" : `var<workgroup> codebook: array<f32, 16>;`;
  return `
alias Unpacked = array<vec4<f32>, ${values / 4}>;
${lookup}
fn unpack(word: vec4<u32>, zero: f32) -> Unpacked {
  var result: Unpacked;
${unpacking[kind]}
  return result;
}
${scaleFunction(format)}
fn zeroAt(group: u32) -> f32 { return ${format.zeros ? "zeros[group]" : "8.0"}; }`;
}

/** WGSL statements that a shader begins with, before a barrier. */
export function weightSetup({ codebook }: WeightFormat): string {
  if (codebook === undefined) return "";
  const values = codebook.map((value) => `f32(${value})`).join(", ");
  return `if (local < 16u) { const values = array<f32, 16>(${values}); codebook[local] = values[local]; }`;
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
  // Two numbers to a byte, the first one highest.
  codebook: unrolled(
    4,
    (i) => `  let first${i} = unpack4xU8((word[${i}] >> 4u) & 0x0f0f0f0fu);
  let second${i} = unpack4xU8(word[${i}] & 0x0f0f0f0fu);
  result[${2 * i}] = vec4<f32>(codebook[first${i}.x], codebook[second${i}.x], codebook[first${i}.y], codebook[second${i}.y]);
  result[${2 * i + 1}] = vec4<f32>(codebook[first${i}.z], codebook[second${i}.z], codebook[first${i}.w], codebook[second${i}.w]);`,
  ),
};

function scaleFunction({ scales }: WeightFormat): string {
  const value = {
    none: "1.0",
    f32: "scales[group]",
    f16: "unpack2x16float(scales[group / 2u])[group % 2u]",
    bf16: "bitcast<f32>((scales[group / 2u] >> (16u * (group % 2u))) << 16u)",
  }[scales ?? "none"];
  return `fn scaleAt(group: u32) -> f32 { return ${value}; }`;
}
