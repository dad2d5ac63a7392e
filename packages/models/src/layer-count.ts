import { ModelMismatchError, type TensorSpecs } from "./description.ts";

/**
 * Loaders would leave further layers out in silence, so that the model answers as another.
 * @param stack what the names of its layers' tensors begin with, before the number: `model.layers.`
 * @throws {ModelMismatchError} where the weights have more layers than the configuration promises
 */
export function assertNoFurtherLayers(
  tensors: TensorSpecs,
  modelType: string,
  stack: string,
  promised: number,
): void {
  let found = promised;
  for (const name of tensors.keys()) {
    if (!name.startsWith(stack)) continue;
    const index = /^\d+(?=\.)/.exec(name.slice(stack.length));
    if (index !== null) found = Math.max(found, Number(index[0]) + 1);
  }
  if (found === promised) return;
  throw new ModelMismatchError(modelType, [
    `the weights have ${found} layers ${stack}*, and the configuration ${promised}`,
  ]);
}

/** What the names of numbered parts begin with, and how many of each are promised. */
export function stacksOf(names: Iterable<string>): ReadonlyMap<string, number> {
  const stacks = new Map<string, number>();
  for (const name of names) {
    const match = /^(.*?(?:layers?|blocks|list|h)\.)(\d+)\./.exec(name);
    if (match === null) continue;
    const [, stack = "", index] = match;
    stacks.set(stack, Math.max(stacks.get(stack) ?? 0, Number(index) + 1));
  }
  return stacks;
}
