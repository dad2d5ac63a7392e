import { QuantizationError } from "../checkpoint/quantization-error.ts";
import type { SchemeGroup } from "../checkpoint/quantization-plan.ts";
import type { FloatDtype } from "../weights.ts";
import type { Format, SortedLinears } from "./format.ts";
import { formatNamed } from "./formats.ts";

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
