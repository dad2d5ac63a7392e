import type { PrunableLayer, PruningPlan } from "@vlmopt/pruning";
import type { QuantizationRequest, SchemeOverride } from "@vlmopt/quant";

/** Overrides name layers as the dense model counts them; behind layers that went they have other numbers. */
export function requestAfter(
  request: QuantizationRequest,
  layers: readonly Pick<PrunableLayer, "weights">[],
  { drop }: Pick<PruningPlan, "drop">,
): QuantizationRequest {
  const { overrides } = request;
  if (overrides === undefined || drop.length === 0) return request;
  const gone = new Set(drop);
  const kept = layers.flatMap(({ weights = [] }, index) => (gone.has(weights[0] ?? "") ? [] : [index]));
  return { ...request, overrides: overrides.flatMap((override) => renumbered(override, kept)) };
}

/** @param kept layers of the language model that stay, by the numbers that they had */
function renumbered(override: SchemeOverride, kept: readonly number[]): SchemeOverride[] {
  const { layers, components = ["languageModel"] } = override;
  if (layers === undefined) return [override];
  const others = components.filter((component) => component !== "languageModel");
  const numbers = layers.map((layer) => kept.indexOf(layer)).filter((layer) => layer >= 0);
  return [
    ...(components.includes("languageModel") && numbers.length > 0
      ? [{ ...override, components: ["languageModel" as const], layers: numbers }]
      : []),
    ...(others.length > 0 ? [{ ...override, components: others }] : []),
  ];
}
