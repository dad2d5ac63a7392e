import type { Weight } from "@vlmopt/models";
import type { FloatDtype } from "../weights.ts";
import { e2m1GroupSize } from "./e2m1-packed.ts";
import { byComponent, distinctiveParts, moduleNames } from "./module-names.ts";
import type { SchemeGroup } from "./quantization-plan.ts";
import type { Bitsandbytes4Bit, E2m1Packed, InputMajor, IntQuantized, PackQuantized } from "./scheme.ts";
import { torchDtypes } from "./torch-dtypes.ts";
import { moduleOf } from "./weight-tensors.ts";

/** The model's linears, by what becomes of them. */
export interface SortedLinears {
  readonly quantized: readonly Weight[];
  readonly kept: readonly Weight[];
}

/**
 * `quantization_config` of config.json for checkpoints of one format.
 * @param dtype of the weights before
 */
export function quantizationConfig(
  groups: readonly SchemeGroup[],
  linears: SortedLinears,
  dtype: FloatDtype,
): object {
  const [first] = groups;
  if (first?.scheme.format === "bitsandbytes") return bitsandbytesConfig(first.scheme, linears, dtype);
  if (first?.scheme.format === "gptq") return gptqConfig(first.scheme, linears);
  if (first?.scheme.format === "awq") return awqConfig(first.scheme, linears);
  return compressedTensorsConfig(groups, linears);
}

/**
 * compressed-tensors' configuration (0.20). The first group is every linear that is not named; other groups name theirs.
 */
function compressedTensorsConfig(groups: readonly SchemeGroup[], linears: SortedLinears): object {
  const components = new Map(linears.quantized.map((weight) => [weight.name, weight]));
  const namesOf = (tensors: readonly string[]) =>
    tensors.flatMap((name) => moduleNames(components.get(name) as Weight));
  const configGroups = groups.map(({ scheme, tensors }, i) => [
    `group_${i}`,
    {
      // Weights of 8 bits are looked for packed into words unless their group says otherwise.
      format: scheme.format,
      targets: i === 0 ? ["Linear"] : namesOf(tensors),
      weights: weightsConfig(scheme as PackQuantized | IntQuantized | E2m1Packed),
      input_activations: null,
      output_activations: null,
    },
  ]);
  const { parts, names } = unquantized(linears);
  return {
    quant_method: "compressed-tensors",
    format: groups[0]?.scheme.format ?? "dense",
    quantization_status: "compressed",
    config_groups: Object.fromEntries(configGroups),
    ignore: [...parts.map((part) => `re:(.*\\.)?${escaped(part)}(\\..*)?$`), ...names],
    kv_cache_scheme: null,
    global_compression_ratio: null,
    // transformers (5.23) has compressed-tensors (0.20) make room for zero points that are not packed, and then refuses the packed ones
    // of its own format, unless it decodes weights as it loads them.
    ...(groups.some(({ scheme }) => scheme.format === "pack-quantized" && scheme.zeroPoints)
      ? { dequantize: true }
      : {}),
  };
}

function weightsConfig(scheme: PackQuantized | IntQuantized | E2m1Packed): object {
  if (scheme.format === "nvfp4-pack-quantized" || scheme.format === "mxfp4-pack-quantized") {
    const nvfp4 = scheme.format === "nvfp4-pack-quantized";
    return {
      num_bits: 4,
      type: "float",
      symmetric: true,
      strategy: nvfp4 ? "tensor_group" : "group",
      group_size: e2m1GroupSize(scheme),
      scale_dtype: nvfp4 ? "torch.float8_e4m3fn" : "torch.uint8",
      zp_dtype: nvfp4 ? "torch.float8_e4m3fn" : "torch.uint8",
      dynamic: false,
    };
  }
  const strategy =
    scheme.groupSize === "row"
      ? { strategy: "channel", group_size: null }
      : { strategy: "group", group_size: scheme.groupSize };
  return {
    num_bits: scheme.format === "pack-quantized" ? 4 : 8,
    type: "int",
    symmetric: scheme.format === "int-quantized" || !scheme.zeroPoints,
    ...strategy,
    dynamic: false,
  };
}

/** What transformers' BitsAndBytesConfig reads. Its list of modules that stay is matched from the start of a name, or as its end. */
function bitsandbytesConfig(scheme: Bitsandbytes4Bit, linears: SortedLinears, dtype: FloatDtype): object {
  const { parts, names } = unquantized(linears);
  return {
    quant_method: "bitsandbytes",
    load_in_4bit: true,
    load_in_8bit: false,
    bnb_4bit_quant_type: scheme.codebook,
    bnb_4bit_use_double_quant: scheme.doubleQuantization,
    bnb_4bit_compute_dtype: torchDtypes[dtype],
    bnb_4bit_quant_storage: "uint8",
    llm_int8_skip_modules: [...parts.flatMap((part) => [part, `model.${part}`]), ...names],
  };
}

/**
 * What transformers' GPTQConfig (with gptqmodel and optimum), gptqmodel itself and vLLM read. The first takes the linears of one list of
 * blocks, the others all linears but those that `dynamic` names.
 */
function gptqConfig(scheme: InputMajor, linears: SortedLinears): object {
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
    checkpoint_format: "gptq",
    bits: 4,
    group_size: scheme.groupSize === "row" ? -1 : scheme.groupSize,
    desc_act: false,
    sym: false,
    lm_head: false,
    ...(block === undefined ? {} : { block_name_to_quantize: block }),
    ...(divided ? { modules_in_block_to_quantize: [[...within]] } : {}),
    dynamic: Object.fromEntries(patterns.map((pattern) => [`-:${pattern}`, {}])),
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

/** What transformers' AwqConfig and vLLM read. Their lists of modules that stay are matched as parts of names. */
function awqConfig(scheme: InputMajor, linears: SortedLinears): object {
  const { parts, names } = unquantized(linears);
  return {
    quant_method: "awq",
    version: "gemm",
    bits: 4,
    group_size: scheme.groupSize === "row" ? -1 : scheme.groupSize,
    zero_point: true,
    modules_to_not_convert: [...parts.flatMap((part) => [part, `model.${part}`]), ...names],
  };
}

/** Linears that stay: parts of names for whole components, and whole names where a component is divided. */
function unquantized({ quantized, kept }: SortedLinears): { parts: string[]; names: string[] } {
  const quantizedNames = quantized.map(({ name }) => name);
  const divided = new Set(quantized.map(({ component }) => component));
  // An output layer that shares the embedding is no tensor of the file, and a linear all the same.
  const parts = quantized.some(({ role }) => role === "lmHead") ? [] : ["lm_head"];
  const names: string[] = [];
  for (const [component, weights] of byComponent(kept.filter(({ role }) => role !== "lmHead"))) {
    if (divided.has(component)) names.push(...weights.flatMap(moduleNames));
    else
      parts.push(
        ...distinctiveParts(
          weights.map(({ name }) => name),
          quantizedNames,
        ),
      );
  }
  return { parts, names };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
