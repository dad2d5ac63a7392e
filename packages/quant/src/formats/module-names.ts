import type { ComponentName, Weight } from "@vlmopt/models";
import { QuantizationError } from "../checkpoint/quantization-error.ts";
import type { ConfigGroup, ConfigSettings, SortedLinears } from "./format.ts";
import { moduleOf } from "./weight-tensors.ts";

/*
 * A list of what is not quantized must speak of modules as each loader calls them, and they have called the same module
 * `language_model.model.layers.0…`, `model.language_model.layers.0…` and `model.layers.0…` over the years, and another
 * `vision_tower.vision_model.encoder…` and `model.vision_tower.encoder…`.
 */

/** Every name that loaders know the module of a weight by; the checkpoint's own is the first. */
export function moduleNames({ name, component }: Pick<Weight, "name" | "component">): string[] {
  const module = moduleOf(name);
  const stem = module.replace(/^(model\.|language_model\.)*/, "");
  const names =
    component === "languageModel"
      ? ["model.language_model.", "language_model.model.", "language_model.", "model.", ""].map(
          (start) => start + stem,
        )
      : [
          stem,
          stem.replace("tower.vision_model.", "tower."),
          stem.replace(/tower\.(?!vision_model)/, "tower.vision_model."),
        ].flatMap((end) => [`model.${end}`, end]);
  return [...new Set([module, ...names])];
}

/**
 * The part of their names that tells these modules from the quantized ones: `vision_tower` of `model.vision_tower.encoder.layers.0.mlp.fc1`.
 * One for each way that the names begin.
 */
export function distinctiveParts(kept: readonly string[], quantized: readonly string[]): string[] {
  const taken = new Set(quantized.flatMap((name) => name.split(".")));
  const parts = kept.map((name) =>
    moduleOf(name)
      .split(".")
      .find((part) => !taken.has(part)),
  );
  return [...new Set(parts.filter((part) => part !== undefined))];
}

/** Weights by their component, in the order of their first ones. */
export function byComponent(weights: readonly Weight[]): ReadonlyMap<ComponentName, readonly Weight[]> {
  const components = new Map<ComponentName, Weight[]>();
  for (const weight of weights) {
    const list = components.get(weight.component);
    if (list === undefined) components.set(weight.component, [weight]);
    else list.push(weight);
  }
  return components;
}

/** Linears that stay: parts of names for whole components, and whole names where a component is divided. */
export function unquantized({ quantized, kept }: SortedLinears): { parts: string[]; names: string[] } {
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

/**
 * The settings of all groups, for configurations that have one for the whole model.
 * @throws {QuantizationError} where there are several
 */
export function onlySettings(method: string, groups: readonly ConfigGroup[]): ConfigSettings {
  const [first, second] = [...new Set(groups.map(({ settings }) => JSON.stringify(settings)))];
  if (second === undefined) return groups[0]?.settings ?? {};
  throw new QuantizationError(
    `a configuration of ${method} holds for all linears of a model, and the plan has ${first} and ${second}`,
    "take schemes of compressed-tensors, such as int4-g128 and int8, which name linears of their own",
  );
}

export function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
