import { QuantizationError } from "../checkpoint/quantization-error.ts";
import type { QuantizationPlan, SchemeGroup } from "../checkpoint/quantization-plan.ts";
import type { FloatDtype } from "../weights.ts";
import type { ConfigSettings, Format, SortedLinears } from "./format.ts";
import { formatNamed } from "./formats.ts";
import { moduleOf } from "./weight-tensors.ts";

/**
 * `quantization_config` of config.json.
 * @param dtype of the weights before
 * @throws {QuantizationError} where one configuration cannot hold all schemes
 */
export function quantizationConfig(
  groups: readonly SchemeGroup[],
  linears: SortedLinears,
  dtype: FloatDtype,
  among: readonly Format[],
): object {
  const described = groups.map(({ scheme, tensors }) => {
    const { config } = formatNamed(scheme.format, among);
    return { config, group: { settings: config.settings(scheme), tensors } };
  });
  const [first, ...others] = described.map(({ config }) => config);
  const other = others.find(({ method }) => method !== first?.method);
  if (first === undefined) return {};
  if (other !== undefined) {
    throw new QuantizationError(
      `one config.json holds weights of ${first.method} or of ${other.method}, not of both`,
      "take schemes of one library for all linears",
    );
  }
  return first.write(
    described.map(({ group }) => group),
    linears,
    dtype,
  );
}

/**
 * Plans are data, and may have been put together by hand: what config.json will say must be how weights are stored.
 * @throws {QuantizationError} where a plan's configuration says something else of a weight, naming it
 */
export function assertConfigSays(
  { groups, config }: Pick<QuantizationPlan, "groups" | "config">,
  among: readonly Format[],
): void {
  const edit = config.find(({ path: [key], value }) => key === "quantization_config" && value !== undefined);
  if (edit === undefined) return;
  const written = edit.value as Readonly<Record<string, unknown>>;
  for (const { scheme, tensors } of groups) {
    const { config: format } = formatNamed(scheme.format, among);
    const expected = format.settings(scheme);
    for (const name of tensors) {
      const found =
        written.quant_method === format.method
          ? format.says === undefined
            ? picked(written, Object.keys(expected))
            : format.says(written, moduleOf(name))
          : undefined;
      if (found !== undefined && isDeepEqual(found, expected)) continue;
      throw new QuantizationError(
        `the plan stores ${name} as ${JSON.stringify(scheme)}, and its quantization_config says ${found === undefined ? "that it stays as it is" : `that it is ${JSON.stringify(found)}`}`,
        "plan all linears at once, with `overrides` for those that are stored otherwise",
      );
    }
  }
}

function picked(config: ConfigSettings, keys: readonly string[]): ConfigSettings {
  return Object.fromEntries(keys.map((key) => [key, config[key]]));
}

function isDeepEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const [left, right] = [Object.entries(a), b as Readonly<Record<string, unknown>>];
  return (
    left.length === Object.keys(right).length && left.every(([key, value]) => isDeepEqual(value, right[key]))
  );
}
