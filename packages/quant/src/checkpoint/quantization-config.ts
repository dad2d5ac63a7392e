import type { Weight } from "@vlmopt/models";
import type { FloatDtype } from "../weights.ts";
import { byComponent, distinctiveParts, moduleNames } from "./module-names.ts";
import type { SchemeGroup } from "./quantization-plan.ts";
import type { Bitsandbytes4Bit, IntQuantized, PackQuantized } from "./scheme.ts";
import { torchDtypes } from "./torch-dtypes.ts";

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
      weights: weightsConfig(scheme as PackQuantized | IntQuantized),
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
  };
}

function weightsConfig(scheme: PackQuantized | IntQuantized): object {
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
