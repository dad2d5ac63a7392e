import type { Weight } from "@vlmopt/models";
import { readTensor } from "@vlmopt/tensor-io/browser";
import { packBits, transposed, unpackBits } from "../bit-packing.ts";
import { QuantizationError } from "../checkpoint/quantization-error.ts";
import { storedPart } from "../checkpoint/stored-part.ts";
import type { IntegerWeights } from "../integer-weights.ts";
import type { FloatDtype } from "../weights.ts";
import type { Format, FormatConfig, SortedLinears } from "./format.ts";
import { decodingInputMajor, packScales, quantizationSettings, unpackScales } from "./input-major.ts";
import { roundingStage } from "./integer-stages.ts";
import { escaped, onlySettings, unquantized } from "./module-names.ts";
import type { IntegerLayout, LoadedWeight } from "./quantized-weight.ts";
import { fittingGroups, type GroupedScheme, groupSizeOf } from "./scheme.ts";
import { bytesOf, companion, moduleOf, plainDtype, wordsOf } from "./weight-tensors.ts";

/**
 * What the libraries of GPTQ load (its first format, nothing reordered): integers, input features first. Marlin, the kernel of vLLM and SGLang,
 * takes those of 4 and 8 bits without zero points of their own.
 */
export interface Gptq extends GroupedScheme {
  readonly format: "gptq";
  readonly bits: IntegerWeights["bits"];
  readonly zeroPoints: boolean;
  /** See `RoundingOptions`. */
  readonly scales: "compressed-tensors" | "search" | "hqq" | "absmax";
}

/** What transformers' GPTQConfig (with gptqmodel and optimum), gptqmodel itself and vLLM read. */
const config: FormatConfig<Gptq> = {
  method: "gptq",
  settings: ({ bits, groupSize, zeroPoints }) => ({
    checkpoint_format: "gptq",
    bits,
    group_size: groupSize === "row" ? -1 : groupSize,
    desc_act: false,
    sym: !zeroPoints,
  }),
  // transformers takes the linears of one list of blocks, the others all linears but those that `dynamic` names.
  write(groups, linears) {
    const { parts, names } = unquantized(linears);
    const [block] = linears.quantized
      .map(({ name }) => blockOf(name, linears))
      .filter((name) => name !== undefined);
    const inBlocks = ({ name }: Weight) => blockOf(name, linears) === block;
    const within = new Set(linears.quantized.filter(inBlocks).map(({ name }) => moduleInBlock(name)));
    const divided = linears.kept.some((weight) => inBlocks(weight));
    const patterns = [
      ...parts.map((part) => `(.*\\.)?${escaped(part)}(\\..*)?$`),
      ...names.map((name) => `${escaped(name)}$`),
    ];
    return {
      quant_method: "gptq",
      ...onlySettings("GPTQ", groups),
      lm_head: false,
      ...(block === undefined ? {} : { block_name_to_quantize: block }),
      ...(divided ? { modules_in_block_to_quantize: [[...within]] } : {}),
      dynamic: Object.fromEntries(patterns.map((pattern) => [`-:${pattern}`, {}])),
    };
  },
};

/**
 * GPTQ's first format without reordering (AutoGPTQ, `desc_act: false`): of `X.weight` [out, in]
 * - `X.qweight` I32 [in · bits / 32, out];
 * - `X.qzeros` I32 [in / group, out · bits / 32], zero points less 1;
 * - `X.scales` F16 [in / group, out];
 * - `X.g_idx` I32 [in], the group of each input feature.
 */
export const gptq: Format<Gptq> = {
  name: "gptq",
  schemes: [
    ...["gptq", "gptq-g32", "gptq-g64", "gptq-row", "gptq-zero", "gptq-g64-zero"],
    ...["gptq-int8", "gptq-int3", "gptq-int3-g64", "gptq-int2-g64", "gptq-int2-g32"],
  ],
  parse(name, preset) {
    const [matched, bits = "4", size = "g128", zero] =
      /^gptq(?:-int([2348]))?(?:-(g[1-9]\d*|row))?(-zero)?$/.exec(name) ?? [];
    if (matched === undefined) return undefined;
    return {
      format: "gptq",
      bits: Number(bits) as Gptq["bits"],
      groupSize: size === "row" ? "row" : Number(size.slice(1)),
      zeroPoints: zero !== undefined,
      scales: preset === "best" ? "search" : "compressed-tensors",
    };
  },
  fit(scheme, [rows, columns]) {
    const perWords = scheme.bits === 3 ? 32 : 32 / scheme.bits;
    if (rows % perWords !== 0 || columns % perWords !== 0)
      return `${rows} × ${columns} weights of ${scheme.bits} bits do not fill words, which takes multiples of ${perWords}`;
    // The configuration has one group size for the whole model.
    return fittingGroups(scheme, columns, []);
  },
  outputs(tensor, scheme) {
    const [outputs, inputs] = tensor.shape as [number, number];
    const groupSize = groupSizeOf(scheme, inputs);
    const groups = inputs / groupSize;
    const { bits } = scheme;
    const module = moduleOf(tensor.name);
    const groupIndices = Int32Array.from({ length: inputs }, (_, i) => Math.floor(i / groupSize));
    return [
      { name: `${module}.qweight`, dtype: "I32", shape: [(inputs * bits) / 32, outputs] },
      { name: `${module}.qzeros`, dtype: "I32", shape: [groups, (outputs * bits) / 32] },
      { name: `${module}.scales`, dtype: "F16", shape: [groups, outputs] },
      { name: `${module}.g_idx`, dtype: "I32", shape: [inputs], bytes: bytesOf(groupIndices) },
    ];
  },
  encode(tensor, scheme, how) {
    const { bits, scales, zeroPoints } = scheme;
    const groupSize = groupSizeOf(scheme, tensor.shape[1] ?? 1);
    // Readers add the 1 back to whole words, where a carry would spoil the neighbour, or let 15 become 16.
    const lowestZeroPoint = zeroPoints ? 1 : 0;
    const options = { bits, groupSize, zeroPoints, scales, scaleDtype: "F16", lowestZeroPoint } as const;
    return roundingStage(tensor, options, how, 3, pack);
  },
  pack,
  grid: (tensor, scheme) => ({
    bits: scheme.bits,
    groupSize: groupSizeOf(scheme, tensor.shape[1] ?? 1),
    zeroPoints: scheme.zeroPoints,
    lowestZeroPoint: scheme.zeroPoints ? 1 : 0,
    scaleDtype: "F16",
  }),
  config,
  async find(source, { name, dtype, shape }) {
    if (!name.endsWith(".qweight") || dtype !== "I32" || shape.length !== 2) return undefined;
    const module = name.replace(/\.qweight$/, "");
    const scales = companion(source, name, `${module}.scales`);
    const zeroPoints = companion(source, name, `${module}.qzeros`);
    const indices = source.tensors.get(`${module}.g_idx`);
    const [groups, outputs] = scales.shape as [number, number];
    if (shape[1] !== outputs) return undefined;
    const settings = await quantizationSettings(source);
    const inputs = indices?.shape[0] ?? ((shape[0] as number) * 32) / Number(settings.bits ?? 4);
    const bits = ([2, 3, 4, 8] as const).find((width) => width * inputs === (shape[0] as number) * 32);
    if (bits === undefined) {
      throw new QuantizationError(
        `${name} of shape [${shape}] does not hold numbers of 2, 3, 4 or 8 bits for ${inputs} input features: other widths are not read`,
      );
    }
    const groupOf = indices && wordsOf(await readTensor(source, indices.name));
    const inOrder = groupOf?.every((group, i) => group === Math.floor((i * groups) / inputs)) ?? true;
    const { checkpoint_format: format = settings.format } = settings;
    return {
      name: `${module}.weight`,
      weight: {
        shape: [outputs, inputs],
        dtype: plainDtype(source),
        layout: inOrder
          ? {
              kind: "integers",
              bits,
              groupSize: inputs / groups,
              scaleDtype: scales.dtype as FloatDtype,
              zeroPoints: settings.sym !== true,
              stored: "otherwise",
            }
          : { kind: "other" },
        beside: {
          scales: await storedPart(source, scales.name),
          zeroPoints: await storedPart(source, zeroPoints.name),
          ...(indices === undefined ? {} : { groupIndices: await storedPart(source, indices.name) }),
        },
        // GPTQ's first format stores zero points less 1, its second as they are.
        settings: { bits, scaleDtype: scales.dtype, less: format === "gptq_v2" ? 0 : 1 },
      },
      parts: [scales.name, zeroPoints.name, ...(indices === undefined ? [] : [indices.name])],
    };
  },
  integers(weight) {
    const stored = storedIntegers(weight);
    const { bits, zeroPoints } = weight.layout as IntegerLayout;
    if (zeroPoints) return stored;
    const other = stored.zeroPoints.find((zero) => zero !== 2 ** (bits - 1));
    if (other === undefined) return { ...stored, zeroPoints: undefined };
    throw new QuantizationError(
      `config.json says that weights are symmetric, and one of [${weight.shape}] has a zero point of ${other}`,
      'say "sym": false in quantization_config',
    );
  },
  decode(weight, target) {
    const { groupIndices } = weight.beside;
    return decodingInputMajor(
      weight,
      storedIntegers(weight),
      target,
      groupIndices === undefined ? undefined : wordsOf(groupIndices),
    );
  },
};

function pack({ bits, rows, columns, groupSize, codes, scales, zeroPoints }: IntegerWeights): Uint8Array[] {
  const groups = columns / groupSize;
  const zeros = zeroPoints ?? new Uint8Array(rows * groups).fill(2 ** (bits - 1));
  const less = transposed(zeros, rows, groups).map((zero) => (zero - 1) & (2 ** bits - 1));
  return [
    bytesOf(transposed(packBits(codes, columns, bits), rows, (columns * bits) / 32)),
    bytesOf(packBits(less, rows, bits)),
    packScales(scales, rows),
  ];
}

function storedIntegers({ shape, beside, settings }: LoadedWeight) {
  const [outputs, inputs] = shape as [number, number];
  const [bits, less] = [Number(settings?.bits), Number(settings?.less)];
  const scaleDtype = settings?.scaleDtype as FloatDtype;
  const scales = unpackScales(beside.scales as Uint8Array, scaleDtype, outputs);
  const zeros = unpackBits(wordsOf(beside.zeroPoints as Uint8Array), outputs, bits).map(
    (zero) => zero + less,
  );
  return {
    scales,
    zeroPoints: transposed(zeros, scales.length / outputs, outputs),
    codes: (bytes: Uint8Array) =>
      unpackBits(transposed(wordsOf(bytes), (inputs * bits) / 32, outputs), inputs, bits),
  };
}

/** What the layers that a weight belongs to are called by transformers 5, in which language models of several names have become one. */
function blockOf(name: string, { kept }: SortedLinears): string | undefined {
  const block = /^(.*\blayers)\.\d+\./.exec(name)?.[1];
  const hasOthers = kept.some(({ component }) => component !== "languageModel");
  return hasOthers && block !== undefined
    ? block.replace(/^(language_model\.)?model\.layers$/, "model.language_model.layers")
    : block;
}

/** `self_attn.q_proj` of `model.layers.0.self_attn.q_proj.weight`. */
function moduleInBlock(name: string): string {
  return moduleOf(name).replace(/^.*\blayers\.\d+\./, "");
}
