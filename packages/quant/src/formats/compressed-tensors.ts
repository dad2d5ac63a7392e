import type { Weight } from "@vlmopt/models";
import type { ConfigSettings, FormatConfig } from "./format.ts";
import { escaped, moduleNames, unquantized } from "./module-names.ts";
import type { GroupedScheme } from "./scheme.ts";

/** compressed-tensors' configuration (0.20). The first group is every linear that is not named; other groups name theirs. */
export const compressedTensors: Pick<FormatConfig, "method" | "write"> = {
  method: "compressed-tensors",
  write(groups, linears) {
    const weights = new Map(linears.quantized.map((weight) => [weight.name, weight]));
    const namesOf = (tensors: readonly string[]) =>
      tensors.flatMap((name) => moduleNames(weights.get(name) as Weight));
    const configGroups = groups.map(({ settings: { format, ...settings }, tensors }, i) => [
      `group_${i}`,
      {
        format,
        targets: i === 0 ? ["Linear"] : namesOf(tensors),
        input_activations: null,
        output_activations: null,
        ...settings,
      },
    ]);
    const { parts, names } = unquantized(linears);
    return {
      quant_method: "compressed-tensors",
      format: groups[0]?.settings.format ?? "dense",
      quantization_status: "compressed",
      config_groups: Object.fromEntries(configGroups),
      ignore: [...parts.map((part) => `re:(.*\\.)?${escaped(part)}(\\..*)?$`), ...names],
      kv_cache_scheme: null,
      global_compression_ratio: null,
      // transformers (5.23) has compressed-tensors (0.20) make room for zero points that are not packed, and then refuses the packed ones
      // of its own format, unless it decodes weights as it loads them.
      ...(groups.some(({ settings }) => hasPackedZeroPoints(settings)) ? { dequantize: true } : {}),
    };
  },
};

function hasPackedZeroPoints({ format, weights }: ConfigSettings): boolean {
  return format === "pack-quantized" && !(weights as { symmetric: boolean }).symmetric;
}

/** Of integers in groups. */
export function integerGroups(
  { groupSize }: Pick<GroupedScheme, "groupSize">,
  bits: number,
  symmetric: boolean,
): ConfigSettings {
  return {
    num_bits: bits,
    type: "int",
    symmetric,
    ...(groupSize === "row"
      ? { strategy: "channel", group_size: null }
      : { strategy: "group", group_size: groupSize }),
    dynamic: false,
  };
}

/** Of 4-bit floats in groups. */
export function floatGroups(strategy: string, groupSize: number, scaleDtype: string): ConfigSettings {
  return {
    num_bits: 4,
    type: "float",
    symmetric: true,
    strategy,
    group_size: groupSize,
    scale_dtype: scaleDtype,
    zp_dtype: scaleDtype,
    dynamic: false,
  };
}
