import { drop, rename, type Selection, select, type Transform } from "@vlmopt/tensor-io";
import { fromRanges } from "./index-ranges.ts";
import type { Cut, PruningPlan } from "./pruning-plan.ts";

/** The plan's cuts, drops and renamings as a transform, to compose with others: quantizing what is left takes no second pass. */
export function pruningTransform(plan: PruningPlan): Transform {
  const selections = new Map<string, Selection>();
  for (const cut of plan.cuts) {
    const indices = elementsOf(cut);
    for (const name of cut.rows) selections.set(name, { ...selections.get(name), rows: indices });
    for (const name of cut.columns) selections.set(name, { ...selections.get(name), columns: indices });
  }
  const dropped = new Set(plan.drop);
  const cutting: Transform = (tensor) => {
    if (dropped.has(tensor.name)) return drop();
    const selection = selections.get(tensor.name);
    return selection === undefined ? undefined : select(tensor, selection);
  };
  const renaming: Transform = (tensor) => {
    const name = Object.hasOwn(plan.rename, tensor.name) ? plan.rename[tensor.name] : undefined;
    return name === undefined ? undefined : rename(tensor, name);
  };
  return (tensor) => {
    const cut = cutting(tensor);
    if (cut === undefined) return renaming(tensor);
    return { ...cut, outputs: cut.outputs.map((output) => renaming(output)?.outputs[0] ?? output) };
  };
}

/** Rows or columns that stay: each unit that stays is `size` of them. */
function elementsOf({ kept, size }: Cut): Uint32Array {
  const units = fromRanges(kept);
  const elements = new Uint32Array(units.length * size);
  units.forEach((unit, i) => {
    for (let j = 0; j < size; j++) elements[i * size + j] = unit * size + j;
  });
  return elements;
}
