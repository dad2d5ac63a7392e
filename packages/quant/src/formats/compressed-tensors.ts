import type { Role, Weight } from "@vlmopt/models";
import type { ConfigSettings, FormatConfig } from "./format.ts";
import { escaped, moduleNames, unquantized } from "./module-names.ts";
import type { GroupedScheme } from "./scheme.ts";

/**
 * compressed-tensors' configuration (0.20). The first group is every linear that is not named; other groups name theirs, and names come before
 * classes of modules (`match_targets`). Tables of tokens are no linears, and are named.
 */
export const compressedTensors: Pick<FormatConfig, "method" | "write" | "says"> = {
  method: "compressed-tensors",
  write(groups, linears) {
    const weights = new Map(linears.quantized.map((weight) => [weight.name, weight]));
    const namesOf = (tensors: readonly string[], role?: Role) =>
      tensors
        .map((name) => weights.get(name) as Weight)
        .filter((weight) => role === undefined || weight.role === role)
        .flatMap(moduleNames);
    const configGroups = groups.map(({ settings: { format, ...settings }, tensors }, i) => [
      `group_${i}`,
      {
        format,
        targets: i === 0 ? ["Linear", ...namesOf(tensors, "embedding")] : namesOf(tensors),
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
  says(config, module) {
    const { ignore, config_groups } = config as CompressedTensorsConfig;
    if (ignore.some((target) => matches(target, module))) return undefined;
    const groups = Object.values(config_groups);
    const found =
      groups.find(({ targets }) => targets.includes(module)) ??
      groups.find(({ targets }) => targets.some((target) => matches(target, module))) ??
      groups.find(({ targets }) => targets.includes("Linear"));
    return found && withoutNulls({ ...found, targets: null });
  },
};

interface CompressedTensorsConfig {
  readonly ignore: readonly string[];
  readonly config_groups: Readonly<Record<string, ConfigSettings & { readonly targets: readonly string[] }>>;
}

/** A name, or a regular expression that a name begins with, as Python's `re.match`. */
function matches(target: string, module: string): boolean {
  return target.startsWith("re:") ? new RegExp(`^(?:${target.slice(3)})`).test(module) : target === module;
}

function withoutNulls(settings: ConfigSettings): ConfigSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null));
}

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
